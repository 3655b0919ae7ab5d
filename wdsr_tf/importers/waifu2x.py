"""waifu2x: VGG7, UpConv7, CUNet and UpCUNet of nagadomi, nihui, tsurumeso and yu45020."""

import dataclasses
import re

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.project import Candidate, MismatchError, Project
from wdsr_tf.importers.tensors import channels_last, shuffled

NUNIF = {  # our layers, or prefixes of their names, and theirs
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
    """`{any name}.weight` and `.bias` in PyTorch's layout; only their order, that of the graph, matters.

    That is the order of nagadomi's JSON, nihui's ncnn files, and files with numbered layers (`Sequential.2`, `conv3`).
    The bias of a layer without one is zeros.
    """
    names = dict.fromkeys(name.rpartition(".")[0] for name in tensors.left())
    ours = [layer.name for layer in model.layers if layer.weights]
    weights = {name: _layer(tensors, theirs, model.get_layer(name)) for name, theirs in zip(ours, names, strict=False)}
    if model.architecture == "upcunet" and model.scale == 4:
        weights["tail"] = [shuffled(array, 2) for array in weights["tail"]]
    return weights


def nunif(tensors, model):
    """nagadomi/nunif's CUNet and UpCUNet: `unet1.conv1.conv.0`, `unet1.conv1_down`, `unet1.conv2.seblock.conv1`, ..."""
    names = {our + part: their + rest for our, their in NUNIF.items() for part, rest in NUNIF_PARTS.items()}
    tensors.drop("pro")
    weights = {"tail": tensors.conv("conv_final", shuffle=2)} if model.scale == 4 else {}
    others = [layer for layer in model.layers if layer.weights and layer.name not in weights]
    return weights | {layer.name: _layer(tensors, names[layer.name], layer) for layer in others}


def chainer(tensors, model):
    """tsurumeso/waifu2x-chainer's VGG7 and UpConv7: `conv{0..6}/W` and `/b`, later `conv{1..7}`; in any order."""
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
        raise InputError(f"{bias} isn't zero, but our layer {layer.name} has no bias")
    return weights


# (filters, inputs, size) of each kernel; 0 stands for the channels of the image.
VGG7 = [(32, 0, 3), (32, 32, 3), (64, 32, 3), (64, 64, 3), (128, 64, 3), (128, 128, 3), (0, 128, 3)]
UPCONV7 = [(16, 0, 3), (32, 16, 3), (64, 32, 3), (128, 64, 3), (128, 128, 3), (256, 128, 3), (256, 0, 4)]
UPCONV7_WIDE = [*UPCONV7[:4], (256, 128, 3), (256, 256, 3), (256, 0, 4)]  # tsurumeso's
CUNET_WEIGHTS = 30
CUGAN_LAYERS = (30, 22)  # with and without squeeze and excitation; x4 has one more
UNET_1_TAIL = 9  # its position among them
OR_REAL_CUGAN = "Real-CUGAN's x2 files have the same arrays; if this is one, set pad=reflect and clip=false"
SCALE = "models that only denoise have scale 1; those called scale2.0x have scale 2 and upscale the image first"


def _detect_in_order(contents):
    kernels = [shape for name, shape in contents.shapes.items() if name.endswith(".weight")]
    if not contents.has("unet1.conv_bottom.weight") and not contents.has("convrelu_0.weight"):
        yield from _models(kernels, zeros=all(name.startswith("Sequential.") for name in contents.shapes))


def _detect_nunif(contents):
    yield from (candidate for candidate in _nunif_models(contents) if not _fits_both(candidate))


def _detect_nunif_or_real_cugan(contents):
    for candidate in _nunif_models(contents):
        if _fits_both(candidate):
            yield dataclasses.replace(candidate, note=OR_REAL_CUGAN)


def _nunif_models(contents):
    if contents.has("unet1.conv_bottom.weight", "unet2.conv_bottom.weight") and not _is_real_cugan(contents):
        yield from _models([shape for name, shape in contents.shapes.items() if name.endswith(".weight")])


def _fits_both(candidate):
    """Whether the arrays of waifu2x's model are also those of Real-CUGAN's plain x2 model, which pads otherwise."""
    return candidate.name == "upcunet" and not candidate.hyperparameters["luma"]


def _detect_real_cugan(contents):
    if not contents.has("unet1.conv_bottom.weight", "unet2.conv_bottom.weight") or not _is_real_cugan(contents):
        return
    _, outputs, size, _ = contents.shape("unet1.conv_bottom.weight")
    scale = {(3, 4): 2, (3, 5): 3, (64, 4): 4}.get((outputs, size))
    if scale is None:
        raise MismatchError(f"unet1.conv_bottom has {outputs} outputs and a kernel of {size} x {size}")
    options = {"pad": "reflect", "clip": False, "pro": contents.has("pro")}
    options["gates"] = contents.has("unet1.conv2.seblock.conv1.weight")
    yield Candidate("upcunet", (scale,), options)


def _detect_real_cugan_in_order(contents):
    """ncnn's files: the pro range is folded into the weights, and the program repeats the edge."""
    if not contents.has("convrelu_0.weight"):
        return
    kernels = [shape for name, shape in contents.shapes.items() if name.endswith(".weight")]
    tails = {(3, 4): 2, (3, 5): 3, (64, 4): 4}
    transposed = [shape for shape in kernels[: UNET_1_TAIL + 1] if len(shape) == 4 and shape[1:3] in tails]
    if len(transposed) != 1 or len(kernels) not in (*CUGAN_LAYERS, *(count + 1 for count in CUGAN_LAYERS)):
        raise MismatchError(f"it has {len(kernels)} layers, and not {' or '.join(map(str, CUGAN_LAYERS))}")
    options = {"pad": "edge", "clip": False, "pro": False, "gates": len(kernels) >= CUNET_WEIGHTS}
    yield Candidate("upcunet", (tails[transposed[0][1:3]],), options)


def _is_real_cugan(contents):
    """Whether the file differs from waifu2x's UpCUNet; Real-CUGAN's plain x2 file doesn't."""
    return (
        contents.has("pro")
        or contents.has("conv_final.weight")
        or contents.shape("unet1.conv_bottom.weight")[2] == 5
        or not contents.has("unet1.conv2.seblock.conv1.weight")
    )


def _detect_chainer(contents):
    names = sorted(name for name in contents.shapes if re.fullmatch(r"conv[0-9]/W", name))
    yield from _models([contents.shapes[name] for name in names])


def _models(kernels, zeros=False):
    """Yields the model, if any, whose kernels have these shapes in PyTorch's layout.

    Args:
        kernels: The shapes, in the order of the graph.
        zeros: Whether the model pads with zeros, as yu45020/Waifu2x does.
    """
    if not kernels or len(kernels[0]) != 4 or kernels[0][1] not in (1, 3):
        return
    channels = kernels[0][1]
    options = {"luma": channels == 1}
    if zeros:
        options["pad"] = "zeros"
    if kernels == _filled(VGG7, channels):
        yield Candidate("vgg7", (1, 2), options, note=SCALE)
    elif kernels == _filled(UPCONV7, channels):
        yield Candidate("upconv7", (2,), options)
    elif kernels == _filled(UPCONV7_WIDE, channels):
        yield Candidate("upconv7", (2,), options | {"wide": True})
    elif len(kernels) == CUNET_WEIGHTS and kernels[UNET_1_TAIL] == (channels, 64, 3, 3):
        yield Candidate("cunet", (1,), {"luma": channels == 1})
    elif len(kernels) == CUNET_WEIGHTS and kernels[UNET_1_TAIL] == (64, channels, 4, 4):
        yield Candidate("upcunet", (2,), {"luma": channels == 1})


def _filled(shapes, channels):
    return [(first or channels, second or channels, size, size) for first, second, size in shapes]


PROJECTS = [
    Project("waifu2x (weights in the model's order)", in_order, _detect_in_order),
    Project("nagadomi/nunif", nunif, _detect_nunif),
    Project("nagadomi/nunif or bilibili/ailab (Real-CUGAN)", nunif, _detect_nunif_or_real_cugan),
    Project("bilibili/ailab (Real-CUGAN)", nunif, _detect_real_cugan),
    Project("nihui/realcugan-ncnn-vulkan", in_order, _detect_real_cugan_in_order),
    Project("tsurumeso/waifu2x-chainer", chainer, _detect_chainer),
]
