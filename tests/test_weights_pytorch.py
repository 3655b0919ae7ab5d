"""The bundled models in PyTorch: the file that `convert weights` writes, and the module that runs it."""

import importlib.util
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from wdsr_tf import checkpoint, weights
from wdsr_tf.commands.convert import COMMAND
from wdsr_tf.importers import formats
from wdsr_tf.importers.export_weights import published

BUNDLED = sorted(path.stem for path in weights.FOLDER.glob("*.keras"))
MODULE = weights.FOLDER / "wdsr_pytorch.py"
LR = np.random.default_rng(0).integers(0, 256, (1, 19, 23, 3)).astype("float32")


@pytest.fixture(scope="module", params=BUNDLED)
def files(request, tmp_path_factory):
    """(a bundled model, its PyTorch file)."""
    path = tmp_path_factory.mktemp("pytorch") / f"{request.param}.pth"
    assert COMMAND.main(["weights", "-i", request.param, "-o", str(path)]) == 0
    return checkpoint.load(weights.FOLDER / f"{request.param}.keras"), path


def test_names_shapes_and_order_of_axes_are_those_of_the_module(files):
    model, path = files
    arrays, (plain, _) = formats.read(path).arrays, published(model)
    options, scale = model.hyperparameters, model.scale
    filters, blocks = options["num_filters"], options["num_res_blocks"]
    wide = filters * options["res_expansion"]
    shapes = {"head": (filters, 3, 3, 3), "tail": (3 * scale**2, filters, 3, 3), "skip": (3 * scale**2, 3, 5, 5)}
    for i in range(blocks):
        if model.architecture == "wdsr-a":
            shapes |= {f"body.{i}.0": (wide, filters, 3, 3), f"body.{i}.2": (filters, wide, 3, 3)}
        else:
            low = int(0.8 * filters)
            shapes |= {f"body.{i}.0": (wide, filters, 1, 1), f"body.{i}.2": (low, wide, 1, 1)}
            shapes[f"body.{i}.3"] = (filters, low, 3, 3)
    expected = {f"{name}.weight": shape for name, shape in shapes.items()}
    expected |= {f"{name}.bias": shape[:1] for name, shape in shapes.items()}
    assert {name: array.shape for name, array in arrays.items()} == expected
    np.testing.assert_array_equal(arrays["head.weight"].transpose(2, 3, 1, 0), plain.get_layer("head").get_weights()[0])


def test_pytorch_computes_the_same_image(files, tmp_path):
    if not importlib.util.find_spec("torch"):
        pytest.skip("PyTorch isn't installed")
    model, path = files
    sides = [(19, 23), (1, 1), (2, 3)]  # mirrored further than the image reaches
    np.savez(tmp_path / "lr.npz", *(LR[:, :height, :width] for height, width in sides))
    program = f"""
    import sys
    import numpy as np, torch
    sys.path.insert(0, {str(MODULE.parent)!r})
    from wdsr_pytorch import WDSR
    network = WDSR(torch.load({str(path)!r}, weights_only=True))
    images = np.load({str(tmp_path / "lr.npz")!r}).values()
    with torch.no_grad():
        sr = [network(torch.from_numpy(lr).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy() for lr in images]
    np.savez({str(tmp_path / "sr.npz")!r}, *sr)
    """
    # A process of its own: TensorFlow and PyTorch bring libraries that don't get along in every version.
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
    with np.load(tmp_path / "sr.npz") as found:
        for (height, width), sr in zip(sides, found.values(), strict=True):
            expected = np.asarray(model(LR[:, :height, :width]))
            assert np.abs(sr - expected).max() <= 1e-3
