import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats, waifu2x
from wdsr_tf.importers.tensors import assign
from wdsr_tf.models import create_model

RNG = np.random.default_rng(0)
HALF, SINGLE = 0x01306B47, 0
LINES = [
    "Input        data    0 1 data 0=8 1=8 2=3",
    "Convolution  conv1   1 1 data a 0=5 1=3 11=1 5=1 6=45 9=2 -23310=1,0.1",
    "Split        split_0 1 2 a b c",
    "InnerProduct fc      1 1 b d 0=7 1=1 2=35",
    "Deconvolution up     1 1 c e 0=2 1=4 3=2 4=3 6=160",
]
SHAPES = {"conv1": (5, 3, 1, 3), "fc": (7, 5), "up": (2, 5, 4, 4)}  # in the file; `up` has no bias


@pytest.fixture
def network(tmp_path):
    """`network()` writes LINES and random weights, and returns the path of the text and the weights by name."""

    def write(lines=LINES, flag=HALF, end=b""):
        weights, data = {}, b""
        for name, shape in SHAPES.items():
            kernel = RNG.normal(size=shape).astype("<f2" if flag == HALF else "<f4")
            data += flag.to_bytes(4, "little") + kernel.tobytes()
            data += bytes(-len(data) % 4)
            weights[f"{name}.weight"] = kernel.astype("f4")
            if name != "up":
                weights[f"{name}.bias"] = RNG.normal(size=shape[0]).astype("<f4")
                data += weights[f"{name}.bias"].tobytes()
        path = tmp_path / "model.param"
        path.write_text("\n".join(["7767517", f"{len(lines)} {len(lines)}", *lines]) + "\n")
        path.with_suffix(".bin").write_bytes(data + end)
        return path, weights

    return write


@pytest.mark.parametrize("flag", [HALF, SINGLE])
@pytest.mark.parametrize("suffix", [".param", ".bin"])
def test_either_file_gives_all_weights_in_pytorchs_layout(network, flag, suffix):
    path, weights = network(flag=flag)
    arrays = formats.read(path.with_suffix(suffix)).arrays
    assert list(arrays) == list(weights)
    weights["up.weight"] = weights["up.weight"].swapaxes(0, 1)  # PyTorch's transposed convolution is (in, out, ...)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, weights[name])


def test_the_hash_covers_both_files(network):
    path, _ = network()
    first = formats.read(path).sha256
    assert formats.read(path.with_suffix(".bin")).sha256 == first
    network()
    assert formats.read(path).sha256 != first


@pytest.mark.parametrize(
    "name, scale, file",
    [
        ("upconv7", 2, "upconv_7_photo/scale2.0x_model.param"),
        ("upconv7", 2, "upconv_7_photo/noise1_scale2.0x_model.bin"),
        ("upcunet", 2, "cunet/scale2.0x_model.param"),
        ("cunet", 1, "cunet/noise1_model.bin"),
    ],
)
def test_published_models_reproduce_a_smooth_image(reference, name, scale, file):
    model = create_model(name, scale)
    assign(model, formats.read(reference / "weights" / "waifu2x" / file).arrays, waifu2x.in_order)
    ramp = np.arange(20.0, 180.0, 2.5 / scale)
    hr = np.stack([ramp + 20, ramp, 200 - ramp], axis=-1)
    sr = np.asarray(model(hr[None, None, ::scale].repeat(24, axis=1)))
    assert np.abs(sr - hr)[:, :, 8:-8].max() < 3


def replaced(old, new):
    return [line.replace(old, new) for line in LINES]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"end": bytes(4)}, "but the layers of the .param use"),
        ({"lines": LINES[:-1]}, "but the layers of the .param use"),
        ({"lines": replaced("6=45", "6=44")}, "has 44 weights for 5 filters"),
        ({"lines": replaced("0=5 ", "0=0 ")}, "weights for 0 filters"),
        ({"lines": replaced("6=160", "6=320")}, "ends within 'up.weight'"),
        ({"lines": replaced("6=160", "6=9999999968")}, "have more than"),
        ({"lines": replaced("5=1 6=45", "5=0 6=45")}, "of an unknown kind"),
        ({"lines": replaced("6=45", "6=45 8=1")}, "8-bit or shared weights"),
        ({"lines": replaced("Deconvolution up", "BatchNorm up")}, "'up' has the unsupported type 'BatchNorm'"),
        ({"lines": replaced("fc ", "conv1 ")}, "two layers are called 'conv1'"),
        ({"lines": replaced("0=5 ", "0=five ")}, "weights for 0 filters"),
        ({"lines": [*LINES, "Noop"]}, "damaged"),
        ({"flag": 0x000D4B38}, "are 8-bit integers"),
        ({"flag": 0x0002C056}, "of 8-bit integers"),
        ({"flag": 0x01020304}, "of an unknown kind"),
    ],
)
def test_inconsistent_files_are_refused(network, options, message):
    path, _ = network(**options)
    with pytest.raises(InputError, match=message):
        formats.read(path)


@pytest.mark.parametrize("missing", [".param", ".bin"])
def test_a_missing_file_is_named(network, missing):
    path, _ = network()
    path.with_suffix(missing).unlink()
    with pytest.raises(InputError, match=f"model{missing} is missing; it belongs beside"):
        formats.read(path.with_suffix({".param": ".bin", ".bin": ".param"}[missing]))


def test_a_wrong_number_of_layers_is_refused(network):
    path, _ = network()
    path.write_text(path.read_text().replace("5 5", "6 5"))
    with pytest.raises(InputError, match="must begin with 7767517 and the number"):
        formats.read(path)
