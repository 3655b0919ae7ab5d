"""EDSR's published layouts."""


def official(tensors, model):
    """sanghyun-son/EDSR-PyTorch: `head.0`, `body.{i}.body.{0,2}`, `body.{B}`, `tail.0.{0[,2]}`, `tail.1`."""
    tensors.drop("sub_mean.weight", "sub_mean.bias", "add_mean.weight", "add_mean.bias")
    blocks = model.hyperparameters["num_res_blocks"]
    weights = {
        "head": tensors.conv("head.0"),
        "body_out": tensors.conv(f"body.{blocks}"),
        "tail": tensors.conv("tail.1"),
    }
    for i in range(blocks):
        weights[f"body_{i}_conv_1"] = tensors.conv(f"body.{i}.body.0")
        weights[f"body_{i}_conv_2"] = tensors.conv(f"body.{i}.body.2")
    stages = {2: [2], 3: [3], 4: [2, 2]}[model.scale]
    for i, factor in enumerate(stages):
        weights[f"upsampler_x{factor}_{i + 1}"] = tensors.conv(f"tail.0.{2 * i}", shuffle=factor)
    return weights
