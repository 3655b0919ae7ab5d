"""The package as a user gets it: the wheel in an empty environment, used from another folder."""

import json
import os
import re
import shlex
import subprocess
import sys
import zipfile

import pytest

from benchmarks.install import HEIGHT, WIDTH, build_wheel, draw_image, executable, install
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

LIGHT = {"absl-py", "numpy", "onnxruntime", "pillow", "tqdm", "wdsr-tf"}
HEAVY = {"keras", "tensorflow", "jax", "torch", "h5py", "onnx", "openvino"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    return install(wheel, tmp_path_factory.mktemp("light") / "venv")


@pytest.fixture
def folder(tmp_path):
    """A folder outside the checkout with an image."""
    draw_image(tmp_path / "image.png")
    return tmp_path


def call(command, folder):
    """Runs a command in `folder` as in a fresh shell, where nothing of the checkout can be imported."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "KERAS_BACKEND")}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def wdsr_tf(environment, folder, *words):
    return call([executable(environment, "wdsr-tf"), *words], folder)


def is_twice_as_large(path):
    from PIL import Image

    with Image.open(path) as image:
        return image.size == (2 * WIDTH, 2 * HEIGHT)


def test_the_wheel_contains_models_profiles_and_type_information_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in names} == {"wdsr_tf"}
    tracked = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "wdsr_tf").rglob("*.py")}
    assert tracked <= names and "wdsr_tf/py.typed" in names
    profiles = {path.name for path in (REPOSITORY / "profiles").iterdir() if path.is_file()}
    assert {name.removeprefix("wdsr_tf/profiles/") for name in names if "/profiles/" in name} == profiles
    for path in (REPOSITORY / "wdsr_tf/weights").glob("*.keras"):
        assert {f"wdsr_tf/weights/{path.stem}{suffix}" for suffix in (".keras", ".onnx", ".json", ".md")} <= names
    assert "wdsr_tf/weights/training-pictures.csv" in names


def test_the_light_installation_has_neither_keras_nor_tensorflow(environment, tmp_path):
    listed = call([executable(environment, "python"), "-m", "pip", "list", "--format=json"], tmp_path)
    installed = {re.sub("[-_.]+", "-", each["name"]).lower() for each in json.loads(listed.stdout)}
    assert installed >= LIGHT and not installed & HEAVY


def test_the_installed_command_upscales_without_greetings(environment, folder):
    done = wdsr_tf(environment, folder, "upscale", "-i", "image.png", "-o", "out")
    assert done.returncode == 0, done.stderr
    (result,) = (folder / "out").glob("*.png")
    assert is_twice_as_large(result)
    for name in ("Keras", "TensorFlow", "Warning", "warning"):
        assert name not in done.stdout + done.stderr


def test_the_installed_package_upscales_from_python_and_prints_nothing(environment, folder):
    code = "import wdsr_tf; from PIL import Image; wdsr_tf.upscale(Image.open('image.png')).save('large.png')"
    done = call([executable(environment, "python"), "-W", "error", "-c", code], folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert is_twice_as_large(folder / "large.png")


def test_upscaling_does_not_import_keras_where_it_is_installed(folder):
    pytest.importorskip("keras")
    code = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); from wdsr_tf.commands.main import main; "
        "sys.argv[1:] = ['upscale', '-i', 'image.png', '-o', 'out']; code = main(); "
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch'} & {*sys.modules})); sys.exit(code)"
    )
    done = call([sys.executable, "-c", code], folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_verb_has_help(environment, tmp_path):
    done = wdsr_tf(environment, tmp_path, "--help")
    assert done.returncode == 0, done.stderr
    for verb in ("upscale", "train", "bench", "convert", "export", "doctor"):
        assert verb in done.stdout
        helped = wdsr_tf(environment, tmp_path, verb, "--help")
        assert helped.returncode == 0 and helped.stdout.startswith("Usage: wdsr-tf"), helped.stderr


def test_the_command_prints_the_version_of_the_wheel(environment, wheel, tmp_path):
    done = wdsr_tf(environment, tmp_path, "--version")
    assert done.returncode == 0, done.stderr
    assert wheel.name.split("-")[1] in done.stdout


def test_a_missing_extra_is_reported_with_a_command_that_pip_accepts(environment, wheel, folder):
    done = wdsr_tf(environment, folder, "train", "--profile", "wdsr-a-8")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    command = re.search(r"pip install .*", done.stderr)
    assert command, done.stderr
    words = shlex.split(command[0])
    assert words == ["pip", "install", f"wdsr-tf[train] @ {wheel.as_uri()}"]
    python = executable(environment, "python")
    accepted = call([python, "-m", *words, "--dry-run", "--no-deps", "--force-reinstall"], folder)
    assert accepted.returncode == 0, accepted.stderr
    assert "Would install wdsr-tf" in accepted.stdout
