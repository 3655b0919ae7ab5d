"""int8 by post-training quantization, and what it costs in dB.

NNCF's defaults lose several dB on these networks. Three things prevent that: ranges from the true minimum and maximum;
float32 for the convolutions that read or write the image (first, last and skip) and for the sums of residuals; and
SmoothQuant (Xiao et al., 2022, https://arxiv.org/abs/2211.10438), which divides each channel before a convolution by a
part of its range and multiplies the kernel instead, so that one range for all channels wastes less.

Ranges are measured on patches of real images, downscaled as a benchmark does: one half as they come, the other detailed
and with noise, because smooth ones don't show how large activations get. The last quarter of each image is held back:
it is downscaled, upscaled again by both networks and compared with the original. The loss is the PSNR that int8 costs
over the pixels of all images together: a mean over images would be dominated by the blurred ones, where noise costs
more PSNR than it shows.
"""

import contextlib
import functools
import hashlib
import itertools
import logging
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.export import PICTURE
from wdsr_tf.images.resize import imresize
from wdsr_tf.inference.engines import cache
from wdsr_tf.system import extras
from wdsr_tf.system.openvino import compile_network, load_openvino

LIMIT = 0.10  # dB that int8 may cost
PATCHES, SIDE = 100, 64  # more of them change nothing
CHOICE = 8  # random patches; the one with the most detail is taken as every other of PATCHES
SMALLEST = 4  # LR pixels a side of a part, of which a border is left out
HELD_BACK = 30  # parts that are compared, of at most HELD_BACK_SIDE HR pixels a side
HELD_BACK_SIDE = 256
SMOOTHING = 0.75  # how much of a channel's range moves into the kernel
GRAIN = 12.0  # levels: standard deviation of the noise in half of the patches
ROUNDING = 1 / 12  # the mean squared error of rounding, below which no network gets
DEMO = Path(__file__).resolve().parents[3] / "demo"
CONVOLUTIONS = (
    "Convolution",
    "GroupConvolution",
    "ConvolutionBackpropData",
    "GroupConvolutionBackpropData",
)


def network(model, calibration=None, log=None):
    """Returns (path, facts) of the model in int8; facts have its "loss" in dB and the images of its calibration.

    Args:
        model: a checkpoint or an ONNX file of ours.
        calibration: image, or folder of images; default: this project's demo images. Other images quantize the model
            again.
        log: called with a line before the conversion.
    """
    pictures = find_pictures(calibration)
    kind = f"int8-{_fingerprint(pictures)}"
    folder, facts = cache.converted(model, kind, functools.partial(_quantize, model, pictures, log), log)
    return folder / "network.xml", facts


def check_loss(model, facts, allow_loss=False):
    """Raises InputError if int8 costs more than LIMIT, unless `allow_loss`."""
    if facts["loss"] > LIMIT and not allow_loss:
        raise InputError(
            f"{model}: int8 costs {facts['loss']:.2f} dB of PSNR on the images {facts['calibration']}; the limit is "
            f"{LIMIT:.2f}. Allow the loss (--allow-loss), calibrate on other images (--calibration), or use float32 "
            "(--precision float32)."
        )


def find_pictures(calibration: str | os.PathLike | None = None) -> list[Path]:
    """Returns the images to calibrate on: an image, those of a folder, or this project's demo images.

    Raises:
        InputError: there are none.
    """
    if calibration is None:
        if not DEMO.is_dir():
            raise InputError("int8 needs images to calibrate on; name a folder of them (--calibration).")
        calibration = DEMO
    calibration = Path(calibration)
    found = [calibration] if calibration.is_file() else images.find(calibration)
    if not found:
        raise InputError(f"{calibration} has no images to calibrate int8 on.")
    return found[:: -(-len(found) // PATCHES)]


def _fingerprint(pictures):
    """Changes with the images' names, sizes and dates."""
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in pictures]
    return hashlib.sha256(repr(stats).encode()).hexdigest()[:8]


def _quantize(model, pictures, log, folder):
    """Writes network.xml and network.bin to `folder` and returns the facts."""
    path, description = cache.onnx_network(model, log)
    openvino, nncf = load_openvino(), _nncf()
    patches, held_back = samples(pictures, description.scale)
    if log:
        log(f"{model}: quantizing to int8, which takes a minute or more; the next start finds the result.")
    core = openvino.Core()
    exact = core.read_model(path)
    converted = quantized(exact, patches)
    openvino.save_model(converted, folder / "network.xml", compress_to_fp16=False)
    compiled = [compile_network(core, network, [1, -1, -1, 3]) for network in (exact, converted)]
    before, after = (lambda lr, run=run: run(lr)[0] for run in compiled)
    return {
        "precision": "int8",
        "loss": loss(before, after, held_back, description.scale),
        "calibration": described(pictures),
        "versions": {"openvino": openvino.__version__, "nncf": nncf.__version__},
    }


def described(pictures: list[Path]) -> str:
    """Returns the folder of the images and their number."""
    return f"{pictures[0].parent} ({len(pictures)})"


def quantized(exact, patches: list[np.ndarray]):
    """Returns the OpenVINO network `exact` in int8, for the ranges that values have with `patches` as inputs."""
    nncf = _nncf()
    with contextlib.redirect_stdout(sys.stderr):  # NNCF's progress: stdout is for what the command says
        return nncf.quantize(
            _prepared(exact.clone()),
            nncf.Dataset(patches),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(patches),
            ignored_scope=nncf.IgnoredScope(names=in_float(exact)),
            model_type=nncf.ModelType.TRANSFORMER,  # NNCF smooths no others
            advanced_parameters=_parameters(),
        )


def _nncf():
    """NNCF; `load_openvino()`, which came before, has hidden its telemetry, too."""
    try:
        import nncf
    except ModuleNotFoundError as error:
        raise extras.missing("nncf", "openvino", "int8") from error
    nncf.set_log_level(logging.ERROR)
    return nncf


def _parameters():
    from nncf.quantization import advanced_parameters as advanced
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    ranges = RangeEstimatorParametersSet.MINMAX
    return advanced.AdvancedQuantizationParameters(
        activations_range_estimator_params=ranges,
        weights_range_estimator_params=ranges,
        smooth_quant_alphas=advanced.AdvancedSmoothQuantParameters(convolution=SMOOTHING, matmul=-1),
    )


def samples(pictures: list[Path], scale: int) -> tuple[list[np.ndarray], list[tuple[np.ndarray, np.ndarray]]]:
    """Returns (patches, pairs): LR patches to measure ranges on, and (lr, hr) parts that are held back from them.

    Patches are float32 (1, H, W, 3) of at most SIDE pixels a side.
    """
    random = np.random.default_rng(0)
    sources, held_back = [], []
    for path in pictures:
        hr = images.read(path)
        hr = hr[: len(hr) // scale * scale, : hr.shape[1] // scale * scale]
        cut = len(hr) * 3 // 4 // scale * scale
        if min(len(hr) - cut, hr.shape[1]) < SMALLEST * scale:
            continue
        sources.append(imresize(hr[:cut], 1 / scale))
        part = _crop(hr[cut:], HELD_BACK_SIDE // scale * scale, scale, random)
        held_back.append((imresize(part, 1 / scale), part))
    if not sources:
        raise InputError(f"{pictures[0].parent}: the images are too small to calibrate int8 on.")
    choices = itertools.cycle((CHOICE, 1))
    patches = [_detailed(sources[i % len(sources)], next(choices), random) for i in range(PATCHES)]
    for patch in patches[::2]:  # with grain, which drawn and downscaled images lack
        patch += random.normal(0, GRAIN, patch.shape)
        np.clip(patch, 0, 255, out=patch)
    every = -(-len(held_back) // HELD_BACK)
    return [patch[None] for patch in patches], held_back[::every]


def _detailed(picture, choice, random):
    """Of `choice` random patches, the one with the most detail, as float32."""
    return max((_crop(picture, SIDE, 1, random) for _ in range(choice)), key=_detail).astype("float32")


def _detail(patch):
    """The mean difference of neighboring pixels."""
    patch = patch.astype("float32")
    return np.abs(np.diff(patch, axis=0)).mean() + np.abs(np.diff(patch, axis=1)).mean()


def _crop(picture, side, step, random):
    """A random part of at most `side` pixels a side that starts and ends at multiples of `step`."""
    height, width = (min(side, length) for length in picture.shape[:2])
    top, left = (
        step * random.integers(0, (length - kept) // step + 1)
        for length, kept in zip(picture.shape[:2], (height, width), strict=True)
    )
    return picture[top : top + height, left : left + width]


def _prepared(network):
    """The network with two changes that alter no value, without which OpenVINO's int8 passes crash or skip layers.

    A Clamp goes before each Gather of pixels: the passes mistake the normalization before it for a dequantization and
    crash when they move it. Kernels in groups become constants of their final shape: after a Reshape they stay float.
    """
    from openvino import opset13

    for node in network.get_ordered_ops():
        if node.get_type_name() == "Gather" and len(node.get_output_partial_shape(0)) == 4:
            clamp = opset13.clamp(node.input_value(0), -1e30, 1e30)
            node.input(0).replace_source_output(clamp.output(0))
        if node.get_type_name() == "GroupConvolution":
            reshape = node.input_value(1).get_node()
            if reshape.get_type_name() == "Reshape":
                kernel = _sources(reshape)[0].get_data().reshape(reshape.get_output_shape(0))
                node.input(1).replace_source_output(opset13.constant(kernel).output(0))
    return network


def in_float(network):
    """The names of the nodes that stay in float32: sums, and convolutions that no other precedes or follows.

    Found by their places in the graph, because not every node keeps the name of its layer.
    """
    nodes = network.get_ordered_ops()
    is_conv = {node.get_friendly_name(): _is_convolution(node) for node in nodes}
    preceded, followed = {}, {}
    for node in nodes:
        before = [source.get_friendly_name() for source in _sources(node)]
        preceded[node.get_friendly_name()] = any(is_conv[name] or preceded[name] for name in before)
    for node in reversed(nodes):
        targets = [target.get_node() for output in node.outputs() for target in output.get_target_inputs()]
        after = [target.get_friendly_name() for target in targets]
        followed[node.get_friendly_name()] = any(is_conv[name] or followed[name] for name in after)
    convolutions = [name for name, found in is_conv.items() if found]
    edges = [name for name in convolutions if not preceded[name] or not followed[name]]
    sums = [node.get_friendly_name() for node in nodes if _is_sum(node)]
    of_picture = [n.get_friendly_name() for n in nodes if n.get_type_name() in CONVOLUTIONS and not _is_convolution(n)]
    return edges + sums + of_picture


def _is_convolution(node):
    """Whether it is one of the network's, not one that converts colors or upscales the input."""
    return node.get_type_name() in CONVOLUTIONS and f"{PICTURE}/" not in node.get_friendly_name()


def _is_sum(node):
    """Whether it adds two tensors rather than a bias or an offset."""
    if node.get_type_name() != "Add" or node.get_friendly_name().rsplit("/", 1)[-1].startswith("Conv"):
        return False
    return not any(source.get_type_name() == "Constant" for source in _sources(node))


def _sources(node):
    return [node.input_value(i).get_node() for i in range(node.get_input_size())]


def loss(before: Callable, after: Callable, pairs: list[tuple[np.ndarray, np.ndarray]], scale: int) -> float:
    """Returns dB of PSNR that int8 costs, in rounded luma without a border of `scale`, over the pixels of all parts.

    Args:
        before, after: functions from (1, H, W, 3) in 0..255 to their results: the model itself, and in int8.
        pairs: (lr, hr), as `samples` returns them.
        scale: upscaling factor.
    """
    errors = []
    for run in (before, after):
        parts = [_luma_error(run(lr[None].astype("float32"))[0], hr, scale) for lr, hr in pairs]
        errors.append(max(np.mean(np.concatenate(parts)), ROUNDING))
    return round(10 * math.log10(errors[1] / errors[0]), 4)


def _luma_error(sr, hr, border):
    inner = slice(border, -border)
    difference = images.rgb_to_y(images.to_uint8(sr)) - images.rgb_to_y(hr)
    return np.square(difference[inner, inner]).ravel()
