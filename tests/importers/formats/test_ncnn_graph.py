"""What an ncnn graph says beside its weights."""

import numpy as np
import pytest

from tests.helpers import weight_files as made
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats


def test_slopes_and_constants_are_float32_without_a_flag(tmp_path):
    arrays = formats.read(made.write_ncnn_graph(tmp_path)).arrays
    assert list(arrays) == ["conv.weight", "conv.bias", "slope.weight", "tail.weight"]
    np.testing.assert_array_equal(arrays["slope.weight"], made.SLOPES)
    np.testing.assert_array_equal(arrays["tail.weight"], made.ARRAYS["tail.weight"].astype("f2").astype("f4"))


def facts(folder, *replacements, lines=()):
    graph = made.NCNN_GRAPH
    for old, new in replacements:
        assert old in graph
        graph = graph.replace(old, new)
    return formats.read(made.write_ncnn_graph(folder, graph="\n".join([graph.strip(), *lines]))).facts


def test_a_graph_tells_its_scale_shift_resize_and_skip(tmp_path):
    found = facts(tmp_path)
    np.testing.assert_allclose(found.pop("mean"), made.MEAN)
    assert found == {"scale": 2, "factor": 1.0, "resize": 2.0, "skip": True}


@pytest.mark.parametrize(
    "replacement, expected",
    [
        (("add   2 1 g h y 0=0", "add   2 1 g h y 0=2"), {"skip": False}),  # a product isn't a skip
        (("BinaryOp     add", "Eltwise      add"), {"skip": True}),
        (("up    1 1 f g 0=3", "up    1 1 f g 0=1"), {"resize": 1.0, "scale": 2}),  # by the nearest pixel
        (("1=2.0 2=2.0", "1=0.5 2=0.5"), {"scale": 0.5, "resize": 0.5}),
        (("0=3 1=2.0", "0=3 1=1.5"), {"scale": 1.5}),
        (("conv  1 1 b d 0=4 1=3", "conv  1 1 b d 0=4 1=3 3=2"), {"scale": 1}),  # a stride
        (("BinaryOp     sub   2 1 x m a 0=1", "BinaryOp     sub   1 1 x a 0=2 1=1 2=255.0"), {"factor": 255.0}),
    ],
)
def test_each_layer_counts(tmp_path, replacement, expected):
    assert facts(tmp_path, replacement).items() >= expected.items()


def test_a_pixel_shuffle_multiplies_the_scale(tmp_path):
    assert facts(tmp_path, lines=["PixelShuffle shuffle 1 1 y z 0=2"])["scale"] == 4


@pytest.mark.parametrize(
    "replacement, message",
    [
        (("0=3 1=2.0", "0=3 1=nan"), "impossible factor"),
        (("0=3 1=2.0", "0=3 1=-2.0"), "impossible factor"),
        (("0=3 1=2.0", "0=3 1=1e9"), "impossible factor"),
        (("x m a 0=1", "x m a 0=3"), "normalizes the input in an unsupported way"),
        (("m 0=3", "m 0=65"), "more than a color needs"),
        (("e 0=4", "e 0=0"), "impossible size"),
        (("g h y", "g unknown y"), "damaged"),
    ],
)
def test_graphs_that_make_no_sense_are_refused(tmp_path, replacement, message):
    with pytest.raises(InputError, match=message):
        facts(tmp_path, replacement)


def test_an_absurd_scale_is_refused(tmp_path):
    lines = [f"Interp up{i} 1 1 {'y' if i == 0 else f'z{i - 1}'} z{i} 0=1 1=64.0 2=64.0" for i in range(2000)]
    with pytest.raises(InputError, match="scales by more than 64"):
        facts(tmp_path, lines=lines)
