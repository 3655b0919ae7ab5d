"""waifu2x's published layouts: VGG7, UpConv7, CUNet and UpCUNet."""

import dataclasses
import re

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.project import MisfitError, Project, Recipe
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
    "_x3": "",
    "": "",
}


def in_order(tensors, model):
    """`{any name}.weight` and `.bias`, in PyTorch's layout and in the order of the graph, which is all that counts.

    nagadomi's JSON and nihui's ncnn files are ordered so, and what numbers its layers is too (`Sequential.2`, `conv3`).
    Both hold zeros for the bias of a layer that has none.
    """
    names = dict.fromkeys(name.rpartition(".")[0] for name in tensors.left())
    ours = [layer.name for layer in model.layers if layer.weights]
    return {name: _layer(tensors, theirs, model.get_layer(name)) for name, theirs in zip(ours, names, strict=False)}


def nunif(tensors, model):
    """nagadomi/nunif's CUNet and UpCUNet: `unet1.conv1.conv.0`, `unet1.conv1_down`, `unet1.conv2.seblock.conv1`, ..."""
    names = {our + part: their + rest for our, their in NUNIF.items() for part, rest in NUNIF_PARTS.items()}
    tensors.drop("pro")
    weights = {"tail": tensors.conv("conv_final", shuffle=2)} if model.scale == 4 else {}
    ours = [layer for layer in model.layers if layer.weights and layer.name not in weights]
    return weights | {layer.name: _layer(tensors, names[layer.name], layer) for layer in ours}


def chainer(tensors, model):
    """tsurumeso/waifu2x-chainer's VGG7 and UpConv7: `conv{0..6}/W` and `/b`, later `conv{1..7}`; in no order."""
    names = {name.rpartition("/")[0] for name in tensors.left()}
    names = sorted(names, key=lambda name: [int(number) for number in re.findall("[0-9]+", name)])
    ours = [layer.name for layer in model.layers if layer.weights]
    return {
        name: _layer(tensors, theirs, model.get_layer(name), parts=("/W", "/b"))
        for name, theirs in zip(ours, names, strict=False)
    }


def _layer(tensors, name, layer, parts=(".weight", ".bias")):
    weight, bias = (name + part for part in parts)
    kernel = tensors.take(weight)
    kernel = channels_last(kernel) if kernel.ndim == 4 else kernel.T
    weights = [kernel[0, 0] if kernel.shape[:2] == (1, 1) and len(layer.kernel.shape) == 2 else kernel]
    if layer.use_bias:
        return [*weights, tensors.take(bias)]
    if tensors.has(bias) and np.any(tensors.take(bias)):
        raise InputError(f"{bias} is not zero, but {layer.name} has no bias")
    return weights


VGG7 = [(32, 0, 3), (32, 32, 3), (64, 32, 3), (64, 64, 3), (128, 64, 3), (128, 128, 3), (0, 128, 3)]
UPCONV7 = [(16, 0, 3), (32, 16, 3), (64, 32, 3), (128, 64, 3), (128, 128, 3), (256, 128, 3), (256, 0, 4)]
UPCONV7_WIDE = [*UPCONV7[:4], (256, 128, 3), (256, 256, 3), (256, 0, 4)]  # tsurumeso's
CUNET_WEIGHTS = 30
UNET_1_TAIL = 9  # its place among them
SCALE = "a model against noise has --scale 1, one called scale2.0x has --scale 2, where the picture is enlarged first"


def _in_order_recipes(published):
    kernels = [shape for name, shape in published.shapes.items() if name.endswith(".weight")]
    if not published.has("unet1.conv_bottom.weight"):
        yield from _networks(kernels, zeros=all(name.startswith("Sequential.") for name in published.shapes))


def _nunif_recipes(published):
    if not published.has("unet1.conv_bottom.weight", "unet2.conv_bottom.weight") or _is_real_cugan(published):
        return
    kernels = [shape for name, shape in published.shapes.items() if name.endswith(".weight")]
    for recipe in _networks(kernels):
        is_doubler = recipe.name == "upcunet" and not recipe.hyperparameters["luma"]
        yield dataclasses.replace(recipe, note=OR_REAL_CUGAN) if is_doubler else recipe


def _real_cugan_recipes(published):
    if not published.has("unet1.conv_bottom.weight", "unet2.conv_bottom.weight") or not _is_real_cugan(published):
        return
    _, outputs, size, _ = published.shape("unet1.conv_bottom.weight")
    scale = {(3, 4): 2, (3, 5): 3, (64, 4): 4}.get((outputs, size))
    if scale is None:
        raise MisfitError(f"unet1.conv_bottom makes {outputs} channels with a kernel of {size} x {size}")
    how = {"pad": "reflect", "clip": False, "pro": published.has("pro")}
    yield Recipe("upcunet", (scale,), how | {"gates": published.has("unet1.conv2.seblock.conv1.weight")})


def _is_real_cugan(published):
    """Whether names or shapes tell it from waifu2x's UpCUNet: its plain x2 network has the same."""
    tail = published.shape("unet1.conv_bottom.weight")
    return (
        published.has("pro")
        or published.has("conv_final.weight")
        or tail[2] == 5
        or not published.has("unet1.conv2.seblock.conv1.weight")
    )


OR_REAL_CUGAN = "Real-CUGAN's x2 files have the same tensors; if this is one, add --set pad=reflect --set clip=false"


def _chainer_recipes(published):
    names = sorted(name for name in published.shapes if re.fullmatch(r"conv[0-9]/W", name))
    yield from _networks([published.shapes[name] for name in names])


def _networks(kernels, zeros=False):
    """The network whose kernels have these shapes in PyTorch's layout; 0 stands for the picture's channels.

    `zeros`: they have the names of yu45020/Waifu2x, which pads with zeros.
    """
    if not kernels or len(kernels[0]) != 4 or kernels[0][1] not in (1, 3):
        return
    channels = kernels[0][1]
    how = {"luma": channels == 1}
    if zeros:
        how["pad"] = "zeros"
    if kernels == _filled(VGG7, channels):
        yield Recipe("vgg7", (1, 2), how, note=SCALE)
    elif kernels == _filled(UPCONV7, channels):
        yield Recipe("upconv7", (2,), how)
    elif kernels == _filled(UPCONV7_WIDE, channels):
        yield Recipe("upconv7", (2,), how | {"wide": True})
    elif len(kernels) == CUNET_WEIGHTS and kernels[UNET_1_TAIL] == (channels, 64, 3, 3):
        yield Recipe("cunet", (1,), {"luma": channels == 1})
    elif len(kernels) == CUNET_WEIGHTS and kernels[UNET_1_TAIL] == (64, channels, 4, 4):
        yield Recipe("upcunet", (2,), {"luma": channels == 1})


def _filled(shapes, channels):
    return [(first or channels, second or channels, size, size) for first, second, size in shapes]


PROJECTS = [
    Project("waifu2x (weights in the network's order)", in_order, _in_order_recipes),
    Project("nagadomi/nunif", nunif, _nunif_recipes),
    Project("bilibili/ailab (Real-CUGAN)", nunif, _real_cugan_recipes),
    Project("tsurumeso/waifu2x-chainer", chainer, _chainer_recipes),
]
