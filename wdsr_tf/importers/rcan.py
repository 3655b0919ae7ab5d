"""RCAN's published layouts: the authors' and BasicSR's."""

import math

from wdsr_tf.importers import mean_shift
from wdsr_tf.importers.project import Candidate, Project
from wdsr_tf.importers.tensors import stages

OFFICIAL = {
    "head": "head.0",
    "tail": "tail.1",
    "body_out": "body.{groups}",
    "upsampler": "tail.0.{k}",
    "block": "body.{g}.body.{b}.body.",
    "parts": ("0", "2", "3.conv_du.0", "3.conv_du.2"),
    "group_out": "body.{g}.body.{blocks}",
}
BASICSR = {
    "head": "conv_first",
    "tail": "conv_last",
    "body_out": "conv_after_body",
    "upsampler": "upsample.{k}",
    "block": "body.{g}.residual_group.{b}.rcab.",
    "parts": ("0", "2", "3.attention.1", "3.attention.3"),
    "group_out": "body.{g}.conv",
}


def named(names):
    """The layout with these names, as `Project` takes it."""

    def layout(tensors, model):
        groups, blocks = (model.hyperparameters[key] for key in ("num_groups", "num_res_blocks"))
        weights = tensors.mean_shift(model, tensors.conv(names["head"]), tensors.conv(names["tail"]), 255)
        weights["body_out"] = tensors.conv(names["body_out"].format(groups=groups))
        for i, factor in enumerate(stages(model.scale)):
            theirs = names["upsampler"].format(k=2 * i)
            weights[f"upsampler_x{factor}_{i + 1}"] = tensors.conv(theirs, shuffle=factor)
        for g in range(groups):
            weights[f"body_{g}_out"] = tensors.conv(names["group_out"].format(g=g, blocks=blocks))
            for b in range(blocks):
                ours, theirs = f"body_{g}_{b}", names["block"].format(g=g, b=b)
                conv_1, conv_2, squeeze, excite = (theirs + part for part in names["parts"])
                weights |= {f"{ours}_conv_1": tensors.conv(conv_1), f"{ours}_conv_2": tensors.conv(conv_2)}
                weights |= {f"{ours}_squeeze": tensors.dense(squeeze), f"{ours}_excite": tensors.dense(excite)}
        return weights

    return layout


def detects(names):
    """Recognizes one layout, as `Project` takes it."""

    def detect(contents):
        squeeze = names["block"].format(g=0, b=0) + names["parts"][2] + ".weight"
        if not contents.has(squeeze):
            return
        filters = contents.filters(f"{names['head']}.weight", 3, 3)
        counted = names["block"].replace("{g}", "{{g}}")
        first = names["parts"][0] + ".weight"
        how = {"num_filters": filters}
        how["num_groups"] = contents.count(names["block"].format(g="{}", b=0) + first)
        how["num_res_blocks"] = contents.count(counted.format(b="{}").format("{}", g=0) + first)
        how["reduction"] = math.ceil(filters / contents.shape(squeeze)[0])
        how |= mean_shift.hyperparameters(contents, 255)
        yield Candidate("rcan", (contents.upsampling(names["upsampler"].format(k="{}") + ".weight", filters),), how)

    return detect


PROJECTS = [
    Project("yulunzhang/RCAN", named(OFFICIAL), detects(OFFICIAL)),
    Project("XPixelGroup/BasicSR (RCAN)", named(BASICSR), detects(BASICSR)),
]
