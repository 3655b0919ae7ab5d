"""waifu2x's published layouts: VGG7, UpConv7, CUNet and UpCUNet."""

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.tensors import channels_last

NUNIF = {  # our layers, or the beginnings of their names, by theirs
    "unet_1_encode": "unet1.conv1",
    "unet_1_down": "unet1.conv1_down",
    "unet_1_bottom": "unet1.conv2",
    "unet_1_up": "unet1.conv2_up",
    "unet_1_fuse": "unet1.conv3",
    "unet_1_tail": "unet1.conv_bottom",
    "unet_2_encode_1": "unet2.conv1",
    "unet_2_down_1": "unet2.conv1_down",
    "unet_2_encode_2": "unet2.conv2",
    "unet_2_down_2": "unet2.conv2_down",
    "unet_2_bottom": "unet2.conv3",
    "unet_2_up_2": "unet2.conv3_up",
    "unet_2_decode_2": "unet2.conv4",
    "unet_2_up_1": "unet2.conv4_up",
    "unet_2_fuse": "unet2.conv5",
    "unet_2_tail": "unet2.conv_bottom",
}
NUNIF_PARTS = {
    "_conv_1": ".conv.0",
    "_conv_2": ".conv.2",
    "_squeeze": ".seblock.conv1",
    "_excite": ".seblock.conv2",
    "_x2": "",
    "": "",
}


def in_order(tensors, model):
    """`{any name}.weight` and `.bias`, in PyTorch's layout and in the order of the graph, which is all that counts.

    nagadomi's JSON files are ordered so, and what numbers its layers is too (`Sequential.2`, `conv3`). JSON files hold
    zeros for the bias of a layer that has none.
    """
    names = dict.fromkeys(name.rpartition(".")[0] for name in tensors.left())
    ours = [layer.name for layer in model.layers if layer.weights]
    return {name: _layer(tensors, theirs, model.get_layer(name)) for name, theirs in zip(ours, names, strict=False)}


def nunif(tensors, model):
    """nagadomi/nunif's CUNet and UpCUNet: `unet1.conv1.conv.0`, `unet1.conv1_down`, `unet1.conv2.seblock.conv1`, ..."""
    names = {our + part: their + rest for our, their in NUNIF.items() for part, rest in NUNIF_PARTS.items()}
    return {layer.name: _layer(tensors, names[layer.name], layer) for layer in model.layers if layer.weights}


def _layer(tensors, name, layer):
    kernel = channels_last(tensors.take(f"{name}.weight"))
    weights = [kernel.reshape(layer.kernel.shape) if kernel.shape[:2] == (1, 1) else kernel]
    if layer.use_bias:
        return [*weights, tensors.take(f"{name}.bias")]
    if tensors.has(f"{name}.bias") and np.any(tensors.take(f"{name}.bias")):
        raise InputError(f"{name}.bias is not zero, but {layer.name} has no bias")
    return weights
