"""CARN-V2: yu45020/Waifu2x."""

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.project import Candidate, Project, ratio


def official(tensors, model):
    """yu45020/Waifu2x: `entry_block`, `blocks.{i}.blocks.{k}`, `blocks.{i}.singles.{k}`, `singles.{k}`, `exit_conv`.

    The file also has the modules that the reference pairing never runs; they are untrained and ignored. The
    upsampler's only convolution is repeated for each doubling.
    """
    options = model.hyperparameters
    weights = {
        "head": tensors.conv("entry_block.m.0"),
        "tail": tensors.conv("exit_conv"),
        "upsampler_x2": _upsampler(tensors, model.scale),
    }
    for i in range(3):
        weights[f"body_fuse_{i}"] = tensors.conv(f"singles.{i}.m.0")
        for j in range(3):
            weights[f"body_{i}_fuse_{j}"] = tensors.conv(f"blocks.{i}.singles.{j}.m.0")
        parts = ("unit", "scse") if options["scse"] else ("unit",)
        modules = [(part, j) for j in range(3) for part in parts]
        for k, (part, j) in enumerate(modules):
            prefix, layer = f"blocks.{i}.blocks.{k}.", f"body_{i}_{part}_{j}"
            module = scse(tensors, prefix, layer) if part == "scse" else _unit(tensors, prefix, layer)
            if k < 3 or options["pairing"] == "intended":
                weights |= module
    return weights


def _unit(tensors, prefix, layer):
    return {f"{layer}_conv_1": tensors.conv(f"{prefix}m.0"), f"{layer}_conv_2": tensors.conv(f"{prefix}m.2")}


def scse(tensors, prefix, layer):
    """Maps `{prefix}spatial_excite.0` and `{prefix}channel_excite.{0,2}` to the layers of the gate `layer`."""
    weights = {f"{layer}_pixel": tensors.conv(f"{prefix}spatial_excite.0", bias=False)}
    for part, k in (("squeeze", 0), ("excite", 2)):
        name = f"{prefix}channel_excite.{k}"
        weights[f"{layer}_{part}"] = [tensors.take(f"{name}.weight").T, tensors.take(f"{name}.bias")]
    return weights


def _upsampler(tensors, scale):
    first, *others = (tensors.conv(f"upsampler.m.{i}.0", shuffle=2) for i in range(scale.bit_length() - 1))
    for other in others:
        if not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True)):
            raise InputError("the upsampling convolutions differ; CARN-V2 uses the same one for each doubling")
    return first


def _detect(contents):
    if not contents.has("entry_block.m.0.weight", "blocks.0.blocks.0.m.0.weight", "singles.0.m.0.weight"):
        return
    filters = contents.filters("entry_block.m.0.weight", 3, 3)
    contents.expect("blocks.0.blocks.0.m.0.weight", filters, filters, 3, 3)
    _, inputs, size, _ = contents.shape("singles.0.m.0.weight")
    options = {
        "num_filters": filters,
        "fusion_size": size,
        "fusion_groups": ratio("singles.0.m.0.weight", 2 * filters, inputs),
    }
    if not contents.has("blocks.0.blocks.1.spatial_excite.0.weight"):  # the project's first version
        options |= {"scse": False, "activation": "selu", "global_skip": False}
    doublings = contents.count("upsampler.m.{}.0.weight", (4 * filters, filters, 3, 3))
    yield Candidate("carn-v2", (2**doublings,), options)


PROJECTS = [Project("yu45020/Waifu2x (CARN_V2)", official, _detect)]
