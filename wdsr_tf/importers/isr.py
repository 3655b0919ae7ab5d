"""idealo's ISR, whose RDN and RRDN are in Keras's layout, `LAYER/kernel` and `LAYER/bias`; UpscalerJS has these too."""

import re

from wdsr_tf.importers.project import Candidate, MismatchError, Project

OUTER = {"rdn": {"head_1": "F_m1", "head_2": "F_0", "fusion_1": "GFF_1", "fusion_2": "GFF_2", "upsampler_1": "UPN1"}}
OUTER["rdn"] |= {"upsampler_2": "UPN2", "tail": "SR"}
OUTER["rrdn"] = {"head": "Pre_blocks_conv", "body_out": "post_blocks_conv", "tail": "SR"}
UPSAMPLER = {"rdn": "UPN3", "rrdn": "PreShuffle"}


def layout(tensors, model):
    """Every convolution; our blocks are numbered as theirs, from 1."""
    names = OUTER[model.architecture] | {f"upsampler_x{model.scale}": UPSAMPLER[model.architecture]}
    weights = {}
    for layer in model.layers:
        if not layer.weights:
            continue
        if inner := re.fullmatch(r"body_(\d+(?:_\d+)?)_(?:conv_(\d+)|fuse)", layer.name):
            theirs = f"F_{inner[1]}_{inner[2]}" if inner[2] else f"LFF_{inner[1]}"
        else:
            theirs = names[layer.name]
        weights[layer.name] = [tensors.take(f"{theirs}/kernel"), tensors.take(f"{theirs}/bias")]
    return weights


def _detect_rdn(contents):
    if not contents.has("F_m1/kernel", "LFF_1/kernel", "UPN3/kernel"):
        return
    how = {"num_filters": contents.shape("F_m1/kernel")[3]}
    how["num_res_blocks"] = contents.count("LFF_{}/bias", start=1)
    how["num_layers"] = contents.count("F_1_{}/bias", start=1)
    how["growth"] = contents.shape("F_1_1/kernel")[3]
    scale = contents.shuffle_factor("UPN3/kernel", 3, axis=3)
    how["upsampler"] = "shuffle" if contents.shape("SR/kernel")[2] == 3 else "nearest"
    ranges = (255,) if contents.facts.get("container") == "TensorFlow.js" else (255, 1)  # UpscalerJS's, or unknown
    for value_range in ranges:
        yield Candidate("rdn", (scale,), how | {"value_range": value_range})


def _detect_rrdn(contents):
    if not contents.has("Pre_blocks_conv/kernel", "LFF_1_1/kernel", "PreShuffle/kernel"):
        return
    how = {"num_filters": contents.shape("Pre_blocks_conv/kernel")[3]}
    how["num_groups"] = contents.count("LFF_{}_1/bias", start=1)
    how["num_res_blocks"] = contents.count("LFF_1_{}/bias", start=1)
    how["num_layers"] = contents.count("F_1_1_{}/bias", start=1)
    how["growth"] = contents.shape("F_1_1_1/kernel")[3]
    if contents.shape("SR/kernel")[2] != 3:
        raise MismatchError("its last convolution doesn't follow a pixel shuffle")
    yield Candidate("rrdn", (contents.shuffle_factor("PreShuffle/kernel", 3, axis=3),), how)


PROJECTS = [
    Project("idealo/image-super-resolution (RDN)", layout, _detect_rdn),
    Project("idealo/image-super-resolution (RRDN)", layout, _detect_rrdn),
]
