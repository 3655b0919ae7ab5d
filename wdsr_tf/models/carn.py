"""CARN and CARN-M: Fast, Accurate, and Lightweight Super-Resolution with Cascading Residual Network.

Ahn et al., ECCV 2018, https://arxiv.org/abs/1803.08664.

    lr -> normalize -> head -> body: cascade of 3 blocks -> upsampler -> tail -> denormalize -> sr

A block is itself a cascade, of 3 residual units. CARN-M (M for mobile) groups the convolutions of its units and runs
one unit three times in each block.

The authors trained one set of weights with upsamplers for x2, x3 and x4. `multi_scale=True` builds that network: it
has the same weights at every scale and runs the upsampler of its own. A file of weights therefore fits all scales:
`create_model("carn", 4, multi_scale=True).set_weights(x2.get_weights())`.
"""

from functools import partial

import keras
from keras import layers, ops

from wdsr_tf.errors import InputError
from wdsr_tf.layers import GroupedConv2D, pixel_shuffle
from wdsr_tf.models.blocks import STAGES, cascade, conv, denormalize, normalize, pytorch_init
from wdsr_tf.models.registry import register

SCALES = (2, 3, 4)


@register("carn", scales=SCALES)
def carn(
    scale: int, *, num_filters: int = 64, multi_scale: bool = False, mean: list[float] | None = None
) -> keras.Model:
    """Builds CARN. The published weights are multi-scale. `mean`, in 0..255, is by default DIV2K's."""
    return network(scale, num_filters, block, Upsampler(scale, multi_scale, name="upsampler"), mean)


@register("carn-m", scales=SCALES)
def carn_m(
    scale: int,
    *,
    num_filters: int = 64,
    groups: int = 4,
    multi_scale: bool = False,
    mean: list[float] | None = None,
) -> keras.Model:
    """Builds CARN-M. The published weights are multi-scale, with 4 groups. `mean`, in 0..255, is by default DIV2K's."""
    if num_filters % groups:
        raise InputError(f"num_filters={num_filters} isn't divisible into {groups} groups.")
    upsampler = Upsampler(scale, multi_scale, groups, order="pytorch", name="upsampler")
    return network(scale, num_filters, partial(shared_block, groups=groups), upsampler, mean)


def network(scale, num_filters, block, upsampler, mean):
    lr = keras.Input((None, None, 3), name="lr")
    x = conv(normalize(lr, mean, 255.0), num_filters, 3, name="head", init="pytorch")
    x = cascade(x, [partial(block, name=f"body_{i}") for i in range(3)], fuse, name="body")
    x = upsampler(x)
    x = conv(x, 3, 3, name="tail", init="pytorch")
    return keras.Model(lr, denormalize(x, mean, 255.0))


def block(x, name):
    """A cascade of three residual units."""
    return cascade(x, [partial(unit, name=f"{name}_unit_{i}") for i in range(3)], fuse, name)


def unit(x, name):
    """ReLU(x + conv(ReLU(conv(x))))."""
    branch = conv(x, x.shape[-1], 3, name=f"{name}_conv_1", init="pytorch")
    branch = layers.ReLU(name=f"{name}_relu_1")(branch)
    branch = conv(branch, x.shape[-1], 3, name=f"{name}_conv_2", init="pytorch")
    x = layers.Add(name=f"{name}_add")([x, branch])
    return layers.ReLU(name=f"{name}_relu_2")(x)


def shared_block(x, groups, name):
    """A cascade of one residual unit that runs three times."""
    return cascade(x, [shared_unit(x, groups, name=f"{name}_unit")] * 3, fuse, name)


def shared_unit(x, groups, name):
    """Returns a function of x with shared weights: ReLU(x + 1x1(ReLU(conv(ReLU(conv(x)))))), 3x3 grouped."""
    filters = x.shape[-1]
    grouped = partial(GroupedConv2D, filters, 3, padding="same", groups=groups)
    branch_layers = [
        grouped(name=f"{name}_conv_1", **pytorch_init(x, 3, groups)),
        layers.ReLU(name=f"{name}_relu_1"),
        grouped(name=f"{name}_conv_2", **pytorch_init(x, 3, groups)),
        layers.ReLU(name=f"{name}_relu_2"),
        layers.Conv2D(filters, 1, name=f"{name}_conv_3", **pytorch_init(x, 1)),
    ]
    add = layers.Add(name=f"{name}_add")
    relu = layers.ReLU(name=f"{name}_relu_3")

    def apply(x):
        branch = x
        for layer in branch_layers:
            branch = layer(branch)
        return relu(add([x, branch]))

    return apply


def fuse(x, filters, name):
    """1x1 convolution and ReLU, never grouped."""
    x = conv(x, filters, 1, name=name, init="pytorch")
    return layers.ReLU(name=f"{name}_relu")(x)


@keras.saving.register_keras_serializable("wdsr_tf")
class Upsampler(layers.Layer):
    """Convolution, ReLU and pixel shuffle: one stage by 2 or 3 at x2 and x3, two stages by 2 at x4.

    Args:
        scale: upscaling factor. May be changed between two training steps if the step is traced again.
        multi_scale: whether the layer holds the convolutions of x2, x3 and x4, in this order, of which it runs those
            of `scale`. In training, the others get zero gradients, as in the authors' code.
        groups: groups of the convolutions.
        order: channel order of the pixel shuffles, see `PixelShuffle`.
    """

    def __init__(self, scale: int, multi_scale: bool = False, groups: int = 1, order: str = "keras", **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.multi_scale = multi_scale
        self.groups = groups
        self.order = order
        self.scales = SCALES if multi_scale else (scale,)

    def build(self, input_shape):
        x = keras.KerasTensor(input_shape)
        filters = input_shape[-1]
        kwargs = {"padding": "same", "groups": self.groups, "dtype": self.dtype_policy}
        self.convs = []
        for factor in (factor for scale in self.scales for factor in STAGES[scale]):
            layer = GroupedConv2D(filters * factor**2, 3, **kwargs, **pytorch_init(x, 3, self.groups))
            layer.build(input_shape)
            self.convs.append(layer)

    def of(self, scale: int) -> list:
        """Returns the convolutions of one of `scales`."""
        first = sum(len(STAGES[other]) for other in self.scales[: self.scales.index(scale)])
        return self.convs[first : first + len(STAGES[scale])]

    @property
    def active(self) -> list:
        """The convolutions of `scale`."""
        return self.of(self.scale)

    def call(self, x, training=None):
        active = self.active
        for layer, factor in zip(active, STAGES[self.scale], strict=True):
            x = pixel_shuffle(ops.relu(layer(x)), factor, self.order)
        if training and self.multi_scale:
            idle = [w for layer in self.convs if layer not in active for w in layer.weights]
            x = x + ops.cast(sum(ops.sum(0.0 * w) for w in idle), x.dtype)
        return x

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, height and height * self.scale, width and width * self.scale, channels)

    def get_config(self):
        config = {"scale": self.scale, "multi_scale": self.multi_scale, "groups": self.groups, "order": self.order}
        return super().get_config() | config
