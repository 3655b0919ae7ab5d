import types

import numpy as np
import pytest

from wdsr_tf.models import activation_memory


def chain(*steps):
    """Returns nodes, and the density of each tensor.

    A step is (layer class, inputs, output), a tensor (name, channels).
    """
    tensors, nodes = {}, []
    tensor = lambda name, channels: tensors.setdefault(  # noqa: E731
        name, types.SimpleNamespace(shape=(None, None, None, channels), dtype="float32")
    )
    for kind, given, made in steps:
        operation = type(kind, (), {})()
        nodes.append(
            types.SimpleNamespace(
                operation=operation, input_tensors=[tensor(*t) for t in given], outputs=[tensor(*made)]
            )
        )
    return nodes, {id(t): 1 for t in tensors.values()}


def estimate(*steps, scale=1):
    """The estimate for the activations alone, in float32 channels."""
    image = 12 * (1 + 2 * scale**2)
    return (activation_memory.bytes_per_pixel(*chain(*steps), scale) - image) / 4 / activation_memory.SLACK


def test_the_estimate_is_the_peak_of_what_is_alive_at_once():
    lr, wide, out = ("lr", 3), ("wide", 64), ("out", 3)
    assert estimate(("Conv2D", [lr], wide), ("Conv2D", [wide], out)) == pytest.approx(67, abs=1)
    # A skip connection that is added at the end is alive all the way.
    skip, sum_ = ("skip", 32), ("sum", 3)
    steps = [("Conv2D", [lr], skip), ("Conv2D", [skip], wide), ("Conv2D", [wide], out), ("Add", [out, skip], sum_)]
    assert estimate(*steps) == pytest.approx(32 + 64 + 3, abs=1)


def test_layers_work_in_place_only_if_nothing_else_reads_their_input():
    lr, wide, relu, out = ("lr", 3), ("wide", 64), ("relu", 64), ("out", 3)
    assert estimate(("Conv2D", [lr], wide), ("ReLU", [wide], relu)) == pytest.approx(67, abs=4)
    steps = [("Conv2D", [lr], wide), ("ReLU", [wide], relu), ("Add", [relu, wide], out)]
    assert estimate(*steps) == pytest.approx(131, abs=4)


def test_upscaled_tensors_count_with_their_size():
    nodes, density = chain(("Conv2D", [("lr", 3)], ("large", 16)))
    density[id(nodes[0].outputs[0])] = 4
    assert activation_memory.bytes_per_pixel(nodes, density, 2) >= 4 * 16 * 4 * activation_memory.SLACK


def test_half_precision_takes_half_the_memory():
    pytest.importorskip("ml_dtypes")  # bfloat16, which Keras imports

    def of_type(dtype):
        nodes, density = chain(("Conv2D", [("lr", 8)], ("wide", 64)))
        for node in nodes:
            for tensor in (*node.input_tensors, *node.outputs):
                tensor.dtype = dtype
        return activation_memory.bytes_per_pixel(nodes, density, 1) - 36

    assert np.isclose(of_type("float16") * 2, of_type("float32"), atol=2)
    assert np.isclose(of_type("bfloat16") * 2, of_type("float32"), atol=2)
