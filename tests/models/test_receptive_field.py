import keras
import numpy as np
import pytest
from keras import layers

from tests.models.test_models import ONCE, small
from wdsr_tf.errors import InputError
from wdsr_tf.layers import WeightNormConv2D
from wdsr_tf.models import create_model, get_architecture, receptive_field
from wdsr_tf.models.receptive_field import Axis

VARIANTS = [  # options that no network has by default
    ("carn", 4, {"multi_scale": True}),
    ("carn-v2", 2, {"pairing": "intended", "residual_add": True}),
    ("dcscn", 2, {"upsampler": "transposed"}),
    ("dcscn", 3, {"upsampler": "transposed"}),
    ("dcscn", 2, {"separable": True}),
    ("drrn", 2, {"batch_norm": True}),
    ("msrn", 2, {"variant": "paper"}),
    ("srcnn", 3, {"padding": "same", "body_size": 5, "pre_upscaling": "bilinear"}),
    ("upcunet", 2, {"luma": True, "auxiliary": True}),
    ("vgg7", 2, {"pad": "zeros", "luma": True}),
    ("wdsr-a", 3, {"variant": "reloaded", "weight_norm": True}),
    ("wdsr-b", 2, {"variant": "official"}),
]
GRAY, BRIGHT = 118.0, 150.0  # above every network's mean, so that every ReLU is open, and below the clips


@pytest.mark.parametrize(
    "name, scale, more", [pytest.param(*each.values, {}, marks=each.marks) for each in ONCE] + VARIANTS
)
def test_changing_a_pixel_changes_the_output_exactly_up_to_the_radius(name, scale, more):
    model = create_model(name, scale, **small(name) | more)
    field = receptive_field.of_graph(model)
    assert furthest_change(model, field) == field.radius
    assert field.global_mean == get_architecture(name).global_mean


def furthest_change(model, field):
    """The largest distance in LR pixels at which the output changes, in both directions and from every phase."""
    middle = field.radius + field.multiple + 2
    lr = np.full((1 + field.multiple, 2 * middle, 2 * middle + 1, 3), GRAY, "float32")
    places = [middle - k for k in range(field.multiple)]
    for image, place in zip(lr[1:], places, strict=True):
        image[place, place] = BRIGHT

    found = 0
    for first in (True, False):
        steer(model, first)
        before, *after = keras.ops.convert_to_numpy(model(lr))
        for sr, place in zip(after, places, strict=True):
            for positions in (sr != before).any(axis=-1).nonzero():
                found = max(found, np.abs(positions // model.scale - place).max())
    return found


def steer(model, first):
    """Sets positive weights, most of them in the first or the last tap of every window, so that all changes pass.

    With random weights, changes from the outermost pixels would drown in rounding errors. Gates ignore their means, so
    that the effect of a mean over the image doesn't hide that of the convolutions.
    """
    for layer in model._flatten_layers(include_self=False):
        weights = layer.get_weights()
        if isinstance(layer, layers.Dense):
            layer.set_weights([0 * w for w in weights])
        elif isinstance(layer, layers.SeparableConv2D):
            depthwise, pointwise, *bias = weights
            layer.set_weights([at_one_end(depthwise, first, (0, 1)), at_one_end(pointwise, first, (2,)), *bias])
        elif isinstance(layer, layers.Conv2DTranspose):  # it scatters where others gather
            layer.set_weights([at_one_end(weights[0], not first, (0, 1), (3,)), *(0 * w for w in weights[1:])])
        elif isinstance(layer, WeightNormConv2D):
            kernel = at_one_end(weights[1], first, (0, 1), (2,))
            layer.set_weights([np.sqrt(np.square(kernel).sum(axis=(0, 1, 2))), kernel, 0 * weights[2]])
        elif isinstance(layer, layers.Conv2D):
            layer.set_weights([at_one_end(weights[0], first, (0, 1), (2,)), *(0 * w for w in weights[1:])])


def at_one_end(kernel, first, space, channels=()):
    """Returns a kernel whose sum is 0.9 per output, most of it at one end of space and in the last channel.

    Concatenations put the newest features into the last channels.
    """
    kernel = np.ones(kernel.shape)
    for axis in (*space, *channels):
        end = np.full(kernel.shape[axis], 0.1 / kernel.shape[axis])
        end[0 if first and axis in space else -1] = 1.0
        kernel *= end.reshape([-1 if i == axis else 1 for i in range(4)])
    return 0.9 * kernel / kernel.sum(axis=(*space, *channels), keepdims=True)


def test_tiles_of_u_nets_move_by_multiples_of_their_strides():
    assert receptive_field.of_graph(create_model("cunet", 1)).multiple == 4
    assert receptive_field.of_graph(create_model("upcunet", 2)).multiple == 2
    assert receptive_field.of_graph(create_model("edsr", 2, **small("edsr"))).multiple == 1


def network(*chain):
    x = lr = keras.Input((None, None, 3), name="lr")
    for layer in chain:
        x = layer(x)
    model = keras.Model(lr, x)
    model.scale = 1
    return model


def test_a_layer_without_a_rule_is_named():
    with pytest.raises(InputError, match=r"odd_one is a GaussianNoise, which has no receptive field rule"):
        receptive_field.of_graph(network(layers.GaussianNoise(1.0, name="odd_one")))


def test_strides_with_same_padding_are_refused():
    strided = layers.Conv2D(3, 3, strides=2, padding="same", name="halve")
    with pytest.raises(InputError, match="halve has strides and 'same' padding"):
        receptive_field.of_graph(network(strided, layers.UpSampling2D(2)))


def test_a_network_with_a_wrong_scale_is_refused():
    with pytest.raises(InputError, match="returns one pixel for 1/2 LR pixels"):
        receptive_field.of_graph(network(layers.UpSampling2D(2)))


def test_joining_tensors_of_different_scales_is_refused():
    lr = keras.Input((None, None, 3), name="lr")
    merged = layers.Add(name="both")([lr, layers.UpSampling2D(1)(layers.MaxPooling2D(1, 2)(lr))])
    model = keras.Model(lr, merged)
    model.scale = 1
    with pytest.raises(InputError, match="both joins tensors of different scales"):
        receptive_field.of_graph(model)


@pytest.mark.parametrize(
    "chain, radius, multiple",
    [
        ([layers.MaxPooling2D(2), layers.UpSampling2D(2)], 1, 2),
        ([layers.Conv2D(3, 3, dilation_rate=4, padding="same")], 4, 1),
        ([layers.DepthwiseConv2D(5), layers.ZeroPadding2D(2)], 2, 1),
        ([layers.Conv2D(3, 3, strides=3), layers.Conv2DTranspose(3, 3, strides=3), layers.Cropping2D(0)], 2, 3),
    ],
)
def test_layers_that_no_network_uses_yet_have_rules(chain, radius, multiple):
    field = receptive_field.of_graph(network(*chain))
    assert (field.radius, field.multiple) == (radius, multiple)


def test_an_axis_is_exact_for_every_phase():
    pixels = Axis(1, (0,), (0,))
    doubled = pixels.after(lambda i: (i // 2,) * 2, up=2)
    blurred = doubled.after(lambda i: (i - 1, i + 1))
    assert [blurred.at(i) for i in range(-2, 3)] == [(-2, -1), (-1, 0), (-1, 0), (0, 1), (0, 1)]
    assert blurred.pitch * 2 == 1
    halved = blurred.after(lambda i: (2 * i, 2 * i + 1), down=2)
    assert halved == Axis(1, (-1,), (1,))


@pytest.mark.parametrize(
    "name, scale, more, radius",
    [  # as in docs/models.md
        ("wdsr-a", 2, {}, 18),
        ("wdsr-a", 4, {"num_res_blocks": 16}, 34),
        ("wdsr-b", 3, {"num_res_blocks": 32}, 34),
        ("edsr", 2, {}, 36),
        ("carn", 2, {}, 21),
        ("carn-m", 4, {}, 21),
        ("dcscn", 2, {}, 15),
        ("dcscn-12", 4, {}, 15),
        ("espcn-7", 2, {}, 7),
        ("espcn", 3, {}, 4),
        ("srcnn", 2, {}, 5),
        ("srcnn", 4, {"body_size": 5}, 4),
        ("msrn", 4, {}, 36),
        ("msrn", 2, {"variant": "harish-vnkt"}, 35),
        ("drrn", 2, {"num_units": 9}, 12),
        ("drrn", 4, {}, 15),
        ("sr-resnet", 4, {}, 40),
        ("vgg7", 1, {}, 7),
        ("vgg7", 2, {}, 4),
        ("upconv7", 2, {}, 7),
    ],
)
def test_radii_equal_those_in_the_documentation(name, scale, more, radius):
    widths = {key: value for key, value in small(name).items() if key in ("num_filters", "min_filters")}
    assert receptive_field.of_graph(create_model(name, scale, **widths | more)).radius == radius
