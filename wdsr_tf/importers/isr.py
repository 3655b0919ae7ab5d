"""idealo's ISR, whose RDN and RRDN are in Keras's layout, `LAYER/kernel` and `LAYER/bias`; UpscalerJS has these too."""

import re

from wdsr_tf.importers.project import MisfitError, Project, Recipe, root

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


def _rdn_recipes(published):
    if not published.has("F_m1/kernel", "LFF_1/kernel", "UPN3/kernel"):
        return
    how = {"num_filters": published.shape("F_m1/kernel")[3]}
    how["num_res_blocks"] = published.count("LFF_{}/bias", start=1)
    how["num_layers"] = published.count("F_1_{}/bias", start=1)
    how["growth"] = published.shape("F_1_1/kernel")[3]
    scale = root("UPN3/kernel", published.shape("UPN3/kernel")[3], 3)
    how["upsampler"] = "shuffle" if published.shape("SR/kernel")[2] == 3 else "nearest"
    for value_range in (255, 1):
        yield Recipe("rdn", (scale,), how | {"value_range": value_range})


def _rrdn_recipes(published):
    if not published.has("Pre_blocks_conv/kernel", "LFF_1_1/kernel", "PreShuffle/kernel"):
        return
    how = {"num_filters": published.shape("Pre_blocks_conv/kernel")[3]}
    how["num_groups"] = published.count("LFF_{}_1/bias", start=1)
    how["num_res_blocks"] = published.count("LFF_1_{}/bias", start=1)
    how["num_layers"] = published.count("F_1_1_{}/bias", start=1)
    how["growth"] = published.shape("F_1_1_1/kernel")[3]
    if published.shape("SR/kernel")[2] != 3:
        raise MisfitError("its last convolution doesn't follow a pixel shuffle")
    yield Recipe("rrdn", (root("PreShuffle/kernel", published.shape("PreShuffle/kernel")[3], 3),), how)


PROJECTS = [
    Project("idealo/image-super-resolution (RDN)", layout, _rdn_recipes),
    Project("idealo/image-super-resolution (RRDN)", layout, _rrdn_recipes),
]
