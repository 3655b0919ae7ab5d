import h5py
import keras
import numpy as np
import pytest

from tests.helpers.networks import assert_equals_golden
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats, krasserm
from wdsr_tf.importers.formats import hdf5
from wdsr_tf.importers.tensors import assign
from wdsr_tf.models import create_model

RNG = np.random.default_rng(0)


@pytest.fixture
def keras_2(tmp_path):
    """`keras_2({layer: {weight name: array}})` writes weights as Keras 2 does and returns the path."""

    def write(layers, parts=1, root="/"):
        path = tmp_path / "weights.h5"
        with h5py.File(path, "w") as file:
            group = file.require_group(root)
            names = [name.encode() for name in layers]
            for i, part in enumerate(np.array_split(names, parts)):
                group.attrs[f"layer_names{i}" if parts > 1 else "layer_names"] = part
            for layer, weights in layers.items():
                below = group.create_group(layer)
                below.attrs["weight_names"] = [name.encode() for name in weights]
                for name, values in weights.items():
                    below[name] = values
        return path

    return write


@pytest.fixture
def eleven():
    """A model with eleven convolutions, so that an alphabetical order would be wrong."""
    convolutions = [keras.layers.Conv2D(2, 1, bias_initializer="normal") for _ in range(11)]
    return keras.Sequential([keras.Input((None, None, 2)), *convolutions, keras.layers.Dropout(0.5)])


def conv(name):
    return {
        f"{name}/kernel:0": RNG.normal(size=(3, 3, 1, 2)).astype("f4"),
        f"{name}/bias:0": np.ones(2, "f4"),
    }


def test_keras_2_weights_have_the_order_of_the_attributes(keras_2):
    layers = {"conv2d_62": conv("conv2d_62"), "add_3": {}, "conv2d_7": conv("conv2d_7")}
    arrays = hdf5.read(keras_2(layers))
    assert list(arrays) == [f"{n}/{n}/{part}" for n in ("conv2d_62", "conv2d_7") for part in ("kernel", "bias")]
    np.testing.assert_array_equal(arrays["conv2d_7/conv2d_7/kernel"], layers["conv2d_7"]["conv2d_7/kernel:0"])


def test_a_list_of_layers_split_over_attributes_is_joined(keras_2):
    layers = {f"conv2d_{i}": conv(f"conv2d_{i}") for i in range(3)}
    arrays = hdf5.read(keras_2(layers, parts=3))
    assert [name.split("/")[0] for name in arrays][::2] == list(layers)


@pytest.mark.parametrize("suffix", ["weights.h5", "h5"])
def test_keras_3_weights_have_the_order_of_the_layers(eleven, suffix, tmp_path):
    path = tmp_path / f"model.{suffix}"
    eleven.save_weights(path) if suffix == "weights.h5" else eleven.save(path)
    arrays = list(hdf5.read(path).values())
    wanted = [weight for layer in eleven.layers for weight in layer.get_weights() if weight.dtype == "float32"]
    assert len(arrays) == len(wanted) == 22
    for ours, theirs in zip(arrays, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_half_precision_becomes_float32(tmp_path):
    path = tmp_path / "half.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = np.array([1.5, -2.25], "f2")
        file["layers/conv2d/vars/1"] = np.array([0x3FC0, 0xC010], "<u2").view("V2")
        file["layers/conv2d/vars/1"].attrs["dtype"] = "bfloat16"
    for array in formats.read(path).arrays.values():
        assert array.dtype == "float32"
        np.testing.assert_array_equal(array, [1.5, -2.25])


@pytest.mark.parametrize("initialized", [True, False])
def test_the_norm_replaces_a_gain_that_tensorflow_addons_has_not_initialized(keras_2, initialized):
    v, n = RNG.normal(size=(3, 3, 2, 4)).astype("f4"), "weight_normalization"
    weights = {"g:0": np.full(4, 7, "f4"), "kernel:0": v, "bias:0": np.zeros(4, "f4"), "initialized:0": initialized}
    arrays = hdf5.read(keras_2({n: {f"{n}/{part}": values for part, values in weights.items()}}))
    assert list(arrays) == [f"{n}/{n}/{part}" for part in ("g", "kernel", "bias")]
    gain = np.full(4, 7) if initialized else np.linalg.norm(v.reshape(-1, 4), axis=0)
    np.testing.assert_allclose(arrays[f"{n}/{n}/g"], gain, rtol=1e-6)  # sums in float32 and float64


@pytest.mark.parametrize("file", ["tfa_wdsr_b_b2_x2.h5", "tfa_wdsr_b_b2_x2.weights.h5"])
def test_tensorflow_addons_weights_give_its_output(reference, file):
    # Its graph subtracts 127.5, ours DIV2K's mean: the same network on an image shifted by the difference.
    model = create_model("wdsr-b", 2, num_res_blocks=2, weight_norm=True, variant="official")
    assign(model, hdf5.read(reference / "golden" / file), krasserm.in_order)
    with np.load(reference / "golden" / "tfa_wdsr_b_b2_x2_io.npz") as io:
        shift = 255 * np.array([0.4488, 0.4371, 0.4040]) - 127.5
        assert_equals_golden(model(io["x"] + shift) - shift, io["y"])


def test_every_array_of_the_published_wdsr_is_assigned(reference):
    model = create_model("wdsr-b", 4, num_res_blocks=32, weight_norm=True, variant="official")
    assign(model, hdf5.read(reference / "weights" / "wdsr_b_32_x4.h5"), krasserm.in_order)


def soft(file):
    file["layers/conv2d/vars/0"] = h5py.SoftLink("/elsewhere")


def external(file):
    file["layers/conv2d"] = h5py.ExternalLink("secret.h5", "/layers/conv2d")


def stored_outside(file):
    file.create_dataset("layers/conv2d/vars/0", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("secret.h5", "data", (4,))
    file.create_virtual_dataset("layers/conv2d/vars/0", layout)


def circle(file):
    file["layers/conv2d/again"] = file.create_group("layers/conv2d/more")
    file["layers/conv2d/more/again"] = file["layers/conv2d"]


def bomb(file):
    file.create_dataset("layers/conv2d/vars/0", (2**14, 2**14), "f4", chunks=(64, 64), compression="gzip")


def large_pieces(file):
    file.create_dataset("layers/conv2d/vars/0", (4,), "f4", maxshape=(None,), chunks=(2**27,), compression="gzip")


def text(file):
    file["layers/conv2d/vars/0"] = "text"
    file["layers/conv2d_1"] = np.zeros(3)


@pytest.mark.parametrize(
    "write, said",
    [
        (soft, "is a link"),
        (external, "is a link"),
        (stored_outside, "is stored in another file"),
        (virtual, "is stored in another file"),
        (circle, "under another name"),
        (bomb, "have more than"),
        (large_pieces, "compressed in chunks"),
        (text, "is an array; expected a layer"),
        (lambda file: file.create_group("model"), "no weights of Keras layers"),
    ],
)
def test_data_outside_the_file_and_implausible_data_are_refused(tmp_path, write, said):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = np.zeros(4, "f4")
        file["layers/conv2d/vars/0"] = np.zeros(4, "f4")
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        write(file)
    with pytest.raises(InputError, match=said):
        hdf5.read(path)


def test_a_missing_dataset_is_named(keras_2):
    path = keras_2({"conv2d": conv("conv2d")})
    with h5py.File(path, "a") as file:
        del file["conv2d/conv2d/bias:0"]
    with pytest.raises(InputError, match="'/conv2d/conv2d' has no 'bias:0'"):
        hdf5.read(path)


def test_a_truncated_file_is_refused(keras_2):
    path = keras_2({"conv2d": conv("conv2d")})
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InputError, match="truncated"):
        formats.read(path)
