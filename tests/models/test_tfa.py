import os
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.gradients import squared_error_gradients
from tests.helpers.networks import assert_equals_golden
from wdsr_tf.importers import krasserm
from wdsr_tf.importers.tensors import assign
from wdsr_tf.layers import WeightNormConv2D
from wdsr_tf.models import create_model

STORED = Path(__file__).parents[1] / "data" / "weightnorm_tfa.npz"  # tfa_oracle.py wrote it as small.npz
TOLERANCE = 5e-6  # of an array's maximum: float32 sums in a different order


@pytest.fixture(scope="session")
def oracle():
    """The folder that tests/models/tfa_oracle.py wrote; skips if it didn't run."""
    if "WDSR_TF_TFA" not in os.environ:
        pytest.skip("needs the results of tensorflow-addons: make test-tfa")
    return Path(os.environ["WDSR_TF_TFA"])


def test_weight_norm_equals_stored_results_of_tensorflow_addons():
    assert_equals_results(STORED)


@pytest.mark.parametrize("file", ["small.npz", "large.npz"])
def test_weight_norm_equals_tensorflow_addons(oracle, file):
    assert_equals_results(oracle / file)


def assert_equals_results(path):
    with np.load(path) as arrays:
        cases = {}
        for key, array in arrays.items():
            case, _, name = key.partition("/")
            cases.setdefault(case, {})[name] = array
    assert cases
    for case, wanted in cases.items():
        got = our_results(wanted)
        for name, array in got.items():
            difference = np.abs(array - wanted[name]).max() / np.abs(wanted[name]).max()
            assert difference <= TOLERANCE, f"{case}: {name} differs by {difference:.1e}"


def our_results(case):
    """Returns output and gradients of our layer with the weights of a case."""
    kernel_size, _, channels, filters = case["v"].shape
    layer = WeightNormConv2D(filters, kernel_size, padding=str(case["padding"]))
    layer.build((None, None, None, channels))
    layer.set_weights([case["g"], case["v"], case["bias"]])
    gradients = squared_error_gradients(layer, case["x"], case["target"])
    names = ("gradient_x", "gradient_g", "gradient_v", "gradient_bias")
    return {"y": np.asarray(layer(case["x"]))} | dict(zip(names, gradients, strict=True))


@pytest.mark.parametrize("read", ["wdsr_b.h5", "wdsr_b.weights.h5"])
def test_weights_saved_by_tensorflow_addons_reproduce_its_output(oracle, read):
    arrays = (read_layers if read.endswith(".weights.h5") else read_legacy)(oracle / read)
    model = create_model("wdsr-b", 2, num_res_blocks=2, num_filters=8, weight_norm=True, variant="official")
    tensors = dict(arrays)
    assign(model, tensors, krasserm.in_order)
    with np.load(oracle / "wdsr_b.npz") as io:
        assert_equals_golden(model(io["x"]), io["y"])


def read_legacy(path):
    """Reads Keras 2's first layout: LAYER/LAYER/{g,kernel,bias}:0, in the order of the attribute layer_names."""
    import h5py

    with h5py.File(path) as file:
        return {
            f"{name}/{part}": file[name][name][f"{part}:0"][()]
            for name in file.attrs["layer_names"]
            if name in file[name]
            for part in ("g", "kernel", "bias")
        }


def read_layers(path):
    """Reads Keras 2's last layout: layers/LAYER/vars/{0: g, 1: kernel} and layers/LAYER/layer/vars/0, the bias."""
    import h5py

    with h5py.File(path) as file:
        wrappers = [name for name in file["layers"] if name.startswith("weight_normalization")]
        arrays = {}
        for name in sorted(wrappers, key=lambda name: int(name.removeprefix("weight_normalization").strip("_") or 0)):
            group = file["layers"][name]
            arrays |= {f"{name}/{part}": group["vars"][key][()] for part, key in (("g", "0"), ("kernel", "1"))}
            arrays[f"{name}/bias"] = group["layer/vars/0"][()]
        return arrays
