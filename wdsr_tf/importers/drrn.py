"""DRRN's published layouts; the weights of all of them are for `inplace=True`."""

from wdsr_tf.importers.project import Project, Recipe

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
    """jt827859032/DRRN-pytorch, of one block: `input`, `conv1`, `conv2`, `output`."""
    names = {"body_0_entry": "input", "body_0_conv_1": "conv1", "body_0_conv_2": "conv2", "tail": "output"}
    return {layer: tensors.conv(name, bias=False) for layer, name in names.items()}


def _blocks_recipes(published):
    if not published.has("rbs.0.h0.module.1.weight", "rec.module.1.weight"):
        return
    filters = published.filters("rbs.0.h0.module.1.weight", 1, 3)
    blocks = published.count("rbs.{}.ru.module.0.module.1.weight", (filters, filters, 3, 3))
    yield _recipe(filters, blocks, 9)


def _one_block_recipes(published):
    if not published.has("input.weight", "conv1.weight", "conv2.weight", "output.weight"):
        return
    filters = published.filters("input.weight", 1, 3)
    published.expect("conv1.weight", filters, filters, 3, 3)
    yield _recipe(filters, 1, 25)


def _recipe(filters, blocks, units):
    """Units share their weights, so that their number is not in the file: `units` is the project's default."""
    how = {"num_filters": filters, "num_res_blocks": blocks, "num_units": units, "inplace": True}
    note = f"files do not hold the number of units: taken is the project's {units}; else --set num_units=N"
    return Recipe("drrn", SCALES, how, note=note)


PROJECTS = [
    Project("yjn870/DRRN-pytorch", blocks, _blocks_recipes),
    Project("jt827859032/DRRN-pytorch", one_block, _one_block_recipes),
]
