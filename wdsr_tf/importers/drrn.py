"""DRRN: yjn870/DRRN-pytorch and jt827859032/DRRN-pytorch, whose weights need `inplace=True`."""

from wdsr_tf.importers.project import Candidate, Project

SCALES = (2, 3, 4)


def blocks(tensors, model):
    """yjn870/DRRN-pytorch: `rbs.{b}.h0`, `rbs.{b}.ru.{0,1}`, `rec`, each with `.module.1`."""
    weights = {"tail": tensors.conv("rec.module.1", bias=False)}
    for i in range(model.hyperparameters["num_res_blocks"]):
        weights[f"body_{i}_entry"] = tensors.conv(f"rbs.{i}.h0.module.1", bias=False)
        for k in (0, 1):
            weights[f"body_{i}_conv_{k + 1}"] = tensors.conv(f"rbs.{i}.ru.module.{k}.module.1", bias=False)
    return weights


def one_block(tensors, model):
    """jt827859032/DRRN-pytorch, with one block: `input`, `conv1`, `conv2`, `output`."""
    names = {"body_0_entry": "input", "body_0_conv_1": "conv1", "body_0_conv_2": "conv2", "tail": "output"}
    return {layer: tensors.conv(name, bias=False) for layer, name in names.items()}


def _detect_blocks(contents):
    if not contents.has("rbs.0.h0.module.1.weight", "rec.module.1.weight"):
        return
    filters = contents.filters("rbs.0.h0.module.1.weight", 1, 3)
    blocks = contents.count("rbs.{}.ru.module.0.module.1.weight", (filters, filters, 3, 3))
    yield _candidate(filters, blocks, 9)


def _detect_one_block(contents):
    if not contents.has("input.weight", "conv1.weight", "conv2.weight", "output.weight"):
        return
    filters = contents.filters("input.weight", 1, 3)
    contents.expect("conv1.weight", filters, filters, 3, 3)
    yield _candidate(filters, 1, 25)


def _candidate(filters, blocks, units):
    """Units share their weights, so the file doesn't record their number; `units` is the project's default."""
    options = {"num_filters": filters, "num_res_blocks": blocks, "num_units": units, "inplace": True}
    note = f"the file doesn't record the number of units; assumed is num_units={units}, the project's default"
    return Candidate("drrn", SCALES, options, note=note)


PROJECTS = [
    Project("yjn870/DRRN-pytorch", blocks, _detect_blocks),
    Project("jt827859032/DRRN-pytorch", one_block, _detect_one_block),
]
