"""krasserm/wdsr's layouts for WDSR, EDSR and SRResNet, in both generations of that project.

Keras numbers layers through a whole session (`conv2d_62`), so only their order identifies them: head, blocks, then the
convolution after the blocks, the upsampler and the tail (EDSR, SRResNet) or tail and skip (WDSR). The first generation
of WDSR has plain kernels and mirrors the image at its border; the second, on TensorFlow 2, has tensorflow-addons'
weight normalization and pads with zeros. EDSR is the same in both.
"""

import itertools
import math
import re

from wdsr_tf.errors import InputError
from wdsr_tf.importers.edsr import residual_scaling, scaling_note
from wdsr_tf.importers.project import Candidate, MismatchError, Project, ratio, shuffle_factor
from wdsr_tf.importers.tensors import stages

CONVOLUTION, NORMALIZED = ("kernel", "bias"), ("g", "kernel", "bias")
BATCH_NORM, PRELU = ("gamma", "beta", "moving_mean", "moving_variance"), ("alpha",)
CONVERTED = ("head", "body", "body_out", "upsample", "tail", "skip")
PLAIN = "the file doesn't record the padding; assumed is variant=krasserm, which mirrors the image at its border"


def in_order(tensors, model):
    """Maps `.../kernel`, `.../bias` (and g; numbers in Keras 3's files) to our layers, in the file's order."""
    parts = _by_part(tensors.left())
    weights = {}
    for kind, layers in layer_order(model).items():
        arrays = [parts.get(part, []) for part in kind]
        if len({len(names) for names in arrays}) > 1:  # those after a gap would be assigned to the wrong layer
            counts = ", ".join(f"{len(names)} of {part}" for part, names in zip(kind, arrays, strict=True))
            raise InputError(
                f"each layer needs one {', one '.join(kind)}, but the file has {counts}: {_gaps(kind, arrays)}"
            )
        weights |= {
            layer: [tensors.take(name) for name in names] for layer, *names in zip(layers, *arrays, strict=False)
        }
    return weights


def converted(tensors, model):
    """The first generation, saved by a third party: `head`, `body.{i}.{0,2[,3]}`, `tail`, ... in PyTorch's layout, but
    with TensorFlow's order of channels before a pixel shuffle.
    """
    last = 3 if model.architecture == "wdsr-b" else 2
    parts = {"conv_1": 0, "conv_2": 2, "expand": 0, "low_rank": 2, "project": last}
    weights = {}
    for layer in layer_order(model)[CONVOLUTION]:
        name = re.sub("_x[0-9].*", "", layer).replace("upsampler", "upsample")
        if block := re.fullmatch("body_([0-9]+)_(.*)", name):
            name = f"body.{block[1]}.{parts[block[2]]}"
        weights[layer] = tensors.conv(name)
    return weights


def _gaps(kind, arrays):
    """Says which names are missing, or which are present if names are numbers."""
    there = {name for names in arrays for name in names}
    layers = dict.fromkeys(name.rpartition("/")[0] for name in there)
    missing = [f"{layer}/{part}" for layer in sorted(layers) for part in kind if f"{layer}/{part}" not in there]
    return f"{', '.join(missing[:8])} missing" if len(missing) <= 8 else ", ".join(sorted(there)[:8])


def layer_order(model):
    """Returns the names of our layers by their weights, in the order in which krasserm's code creates them."""
    scale, blocks = model.scale, model.hyperparameters["num_res_blocks"]
    kind = NORMALIZED if model.hyperparameters.get("weight_norm") else CONVOLUTION
    if model.architecture.startswith("wdsr"):
        parts = ("expand", "project") if model.architecture == "wdsr-a" else ("expand", "low_rank", "project")
        body = [f"body_{i}_{part}" for i in range(blocks) for part in parts]
        return {kind: ["head", *body, f"tail_x{scale}", f"skip_x{scale}"]}
    body = [f"body_{i}_conv_{k}" for i in range(blocks) for k in (1, 2)] + ["body_out"]
    upsampler = [f"upsampler_x{factor}_{i}" for i, factor in enumerate(stages(scale), 1)]
    order = {kind: ["head", *body, *upsampler, "tail"]}
    if model.architecture == "sr-resnet":
        order[BATCH_NORM] = [f"body_{i}_norm_{k}" for i in range(blocks) for k in (1, 2)] + ["body_out_norm"]
        slopes = ["head", *(f"body_{i}" for i in range(blocks)), *upsampler]
        order[PRELU] = [f"{name}_prelu" for name in slopes]
    return order


def _by_part(shapes):
    """Returns the names, in the file's order, by weight: {"kernel": [...], "bias": [...], ...}."""
    parts = {}
    for name, shape in shapes.items():
        part = name.rpartition("/")[2].removesuffix(":0")
        if part.isdecimal():  # Keras 3 numbers the variables of each layer and wrapped layer
            part = _numbered(name, int(part), len(shape))
        parts.setdefault(part, []).append(name)
    return parts


def _numbered(name, number, rank):
    if rank == 4:
        return "kernel"
    if rank == 3:
        return "alpha"
    if "batch_normalization" in name:
        return (*BATCH_NORM, "", "")[min(number, 4)]
    return "g" if number == 0 and "/layer/vars/" not in name else "bias"


def _detect(contents):
    parts = _by_part(contents.shapes)
    names = parts.get("kernel", [])
    if names and all("/" in name for name in names):
        kernels = [(name, contents.shape(name)) for name in names]
        yield from _models(kernels, weight_norm="g" in parts)


def _detect_converted(contents):
    if not contents.has("head.weight", "body.0.0.weight", "body.0.2.weight", "tail.weight"):
        return
    names = [name for name in contents.shapes if name.endswith(".weight") and name.split(".")[0] in CONVERTED]
    names.sort(key=lambda name: (CONVERTED.index(name.split(".")[0]), [int(i) for i in re.findall("[0-9]+", name)]))
    kernels = [(name, tuple(contents.shape(name)[axis] for axis in (2, 3, 1, 0))) for name in names]
    yield from _models(kernels, weight_norm=False)


def _models(kernels, weight_norm):
    """Yields the model, if any, with these kernels (name, (height, width, in, out)) in krasserm's order."""
    if len(kernels) < 5:
        return
    size, filters = kernels[0][1][:3], kernels[0][1][3]
    if size == (3, 3, 3) and kernels[-1][1][:3] == (5, 5, 3):
        yield _wdsr(kernels, filters, weight_norm)
    elif size in ((3, 3, 3), (9, 9, 3)) and kernels[-1][1] == (*size[:2], filters, 3):
        yield _residual(kernels, filters, weight_norm, "edsr" if size[0] == 3 else "sr-resnet")


def _wdsr(kernels, filters, weight_norm):
    first, (height, _, _, wide) = kernels[1]
    of_block = 2 if height == 3 else 3
    blocks = kernels[1:-2:of_block]
    for name, shape in blocks:
        if shape != (height, height, filters, wide):
            raise MismatchError(f"{name} has shape {shape}; expected {(height, height, filters, wide)}")
    tail, (_, _, _, outputs) = kernels[-2]
    options = {"num_filters": filters, "num_res_blocks": len(blocks), "res_expansion": ratio(first, wide, filters)}
    options |= {"weight_norm": weight_norm, "variant": "official" if weight_norm else "krasserm"}
    name = "wdsr-a" if of_block == 2 else "wdsr-b"
    return Candidate(name, (shuffle_factor(tail, outputs, 3),), options, note="" if weight_norm else PLAIN)


def _residual(kernels, filters, weight_norm, name):
    body = list(itertools.takewhile(lambda kernel: kernel[1] == (3, 3, filters, filters), kernels[1:-1]))
    upsampler = kernels[1 + len(body) : -1]
    if len(body) % 2 == 0 or not upsampler:
        raise MismatchError(
            f"{len(body)} kernels with {filters} filters, followed by {len(upsampler)}, don't form blocks"
        )
    options = {"num_filters": filters, "num_res_blocks": len(body) // 2}
    note = ""
    if name == "edsr":
        options |= {"weight_norm": weight_norm, "variant": "krasserm"} | residual_scaling(filters)
        note = scaling_note(options)
    scale = math.prod(shuffle_factor(kernel, shape[3], filters) for kernel, shape in upsampler)
    return Candidate(name, (scale,), options, note=note)


PROJECTS = [
    Project("krasserm/wdsr", in_order, _detect),
    Project("krasserm/wdsr (converted to PyTorch's kernels)", converted, _detect_converted),
]
