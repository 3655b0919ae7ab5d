"""DRRN's published layouts; the weights of all of them are for `inplace=True`."""


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
