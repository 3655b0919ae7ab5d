"""RCAN: Image Super-Resolution Using Very Deep Residual Channel Attention Networks.

Zhang et al., ECCV 2018, https://arxiv.org/abs/1807.02758, https://github.com/yulunzhang/RCAN.

    lr -> subtract mean -> head -> g groups of n blocks -> conv -> (+ head) -> upsampler -> tail -> add mean -> sr
"""

import keras
from keras import layers

from wdsr_tf.models.blocks import conv, denormalize, normalize, upsampler
from wdsr_tf.models.registry import register


@register("rcan", scales=(2, 3, 4, 8), global_mean=True)
def rcan(scale, *, num_filters=64, num_groups=10, num_res_blocks=20, reduction=16, res_scaling=1.0, mean=None):
    """Builds RCAN; the defaults are the paper's.

    `reduction` divides the channels inside the attention. `mean` is the RGB color that the network subtracts and adds,
    in 0..255; by default DIV2K's.
    """
    lr = keras.Input((None, None, 3), name="lr")
    x = head = conv(normalize(lr, mean, 1.0), num_filters, 3, name="head", init="pytorch")
    for i in range(num_groups):
        x = group(x, num_res_blocks, reduction, res_scaling, name=f"body_{i}")
    x = layers.Add(name="body_add")([conv(x, num_filters, 3, name="body_out", init="pytorch"), head])
    x = upsampler(x, scale, num_filters, init="pytorch")
    x = conv(x, 3, 3, name="tail", init="pytorch", dtype="float32")
    return keras.Model(lr, denormalize(x, mean, 1.0))


def group(x, num_res_blocks, reduction, res_scaling, name):
    """Blocks and a convolution, added to x."""
    y = x
    for i in range(num_res_blocks):
        y = block(y, reduction, res_scaling, name=f"{name}_{i}")
    return layers.Add(name=f"{name}_add")([x, conv(y, x.shape[-1], 3, name=f"{name}_out", init="pytorch")])


def block(x, reduction, res_scaling, name):
    """conv -> ReLU -> conv -> channel attention, added to x."""
    filters = x.shape[-1]
    y = layers.ReLU(name=f"{name}_relu")(conv(x, filters, 3, name=f"{name}_conv_1", init="pytorch"))
    y = attend(conv(y, filters, 3, name=f"{name}_conv_2", init="pytorch"), reduction, name)
    if res_scaling != 1:
        y = layers.Rescaling(res_scaling, name=f"{name}_scale")(y)
    return layers.Add(name=f"{name}_add")([x, y])


def attend(x, reduction, name):
    """Channel attention: gates from the mean of each channel, taken in float32 because half precision overflows."""
    filters = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, dtype="float32", name=f"{name}_mean")(x)
    gate = layers.Dense(max(1, filters // reduction), "relu", name=f"{name}_squeeze")(gate)
    gate = layers.Dense(filters, "sigmoid", name=f"{name}_excite")(gate)
    return layers.Multiply(name=f"{name}_gate")([x, gate])
