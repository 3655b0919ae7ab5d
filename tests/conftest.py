"""What every test may use: the reference folder, small disks, and a quiet TensorFlow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import jax_weights

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.modules.setdefault("openvino_telemetry", None)  # OpenVINO would report its imports to its makers
sys.modules.setdefault("sklearn", None)  # Keras would import it, which takes a third of its start, for wrappers

REPOSITORY = Path(__file__).resolve().parent.parent


def _reference():
    return Path(os.environ.get("WDSR_TF_REFERENCE", REPOSITORY.parent / "shared"))


@pytest.fixture(scope="session")
def reference():
    """The folder of reference data (golden vectors, weights, pictures); skips where it is absent."""
    folder = _reference()
    if not (folder / "golden").is_dir():
        pytest.skip(f"no reference data at {folder}: set WDSR_TF_REFERENCE to the folder that holds golden/")
    return folder


@pytest.fixture(scope="session")
def golden(reference):
    """`golden(name)` gives the arrays of golden/name.npz and the facts of golden/name.json."""

    def read(name):
        with np.load(reference / "golden" / f"{name}.npz") as arrays:
            return dict(arrays), json.loads((reference / "golden" / f"{name}.json").read_text())

    return read


@pytest.fixture(scope="session", autouse=True)
def user_cache(tmp_path_factory):
    """Converted weights go to a temporary folder, also in processes that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def empty_cache(tmp_path_factory, monkeypatch):
    """A test of its own conversions isn't helped by those of others."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session", autouse=True)
def first_weights():
    """On JAX, NumPy draws the first weights of networks; see `tests/helpers/jax_weights.py`."""
    if os.environ.get("KERAS_BACKEND") != "jax":
        yield
        return
    with jax_weights.drawn():
        yield


@pytest.fixture(scope="module")
def keras_random():
    """Keras draws the first weights, for a comparison with those of another process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax_weights, "by_numpy", False)
        yield


@pytest.fixture
def mounted(tmp_path):
    """`mounted(64)` gives the folder of a new file system of 64 KiB; skips where none can be mounted."""
    folders = []

    def mount(kibibytes):
        folder = tmp_path / f"disk-{len(folders)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", folder]
        is_root = sys.platform == "linux" and os.geteuid() == 0
        if not is_root or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root on Linux can mount a small file system")
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def policy():
    """Sets the global dtype policy for one test: `policy("mixed_float16")`."""
    import keras

    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.fixture
def server(monkeypatch):
    """A web server on loopback, whose `pages` a test sets; see `tests/helpers/server.py`."""
    from tests.helpers.server import serving

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        yield running
