"""MSRN's published layouts: the authors' and that of an unofficial project that works on BGR."""

MEANS = [f"{mean}.{part}" for mean in ("sub_mean", "add_mean") for part in ("weight", "bias")]


def official(tensors, model):
    """MIVRC/MSRN-PyTorch: `head.0`, `body.{i}.conv_{3,5}_{1,2}`, `body.{i}.confusion`, `tail.{0,1}`, `tail.2.{0[,2]}`,
    `tail.3`.
    """
    tensors.drop(*MEANS)
    weights = {
        "head": tensors.conv("head.0"),
        "fusion": tensors.conv("tail.0"),
        "body_out": tensors.conv("tail.1"),
        "tail": tensors.conv("tail.3"),
    }
    for i in range(model.hyperparameters["num_res_blocks"]):
        for size, step in ((3, 1), (5, 1), (3, 2), (5, 2)):
            weights[f"body_{i}_conv{size}_{step}"] = tensors.conv(f"body.{i}.conv_{size}_{step}")
        weights[f"body_{i}_project"] = tensors.conv(f"body.{i}.confusion")
    for i, factor in enumerate({2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}[model.scale]):
        weights[f"upsampler_x{factor}_{i + 1}"] = tensors.conv(f"tail.2.{2 * i}", shuffle=factor)
    return weights


def seed(tensors, model):
    """The unofficial one: `conv`, `residual_blocks.{i}`, `feature_fusion`, `reconstruction_layer.conv{1,2}`, in BGR."""
    tensors.drop(*MEANS)
    kernel, bias = tensors.conv("conv.conv")
    weights = {
        "head": [kernel[:, :, ::-1], bias],
        "fusion": tensors.conv("feature_fusion.conv"),
        f"upsampler_x{model.scale}": tensors.conv("reconstruction_layer.conv1.conv", shuffle=model.scale),
        "tail": [w[..., ::-1] for w in tensors.conv("reconstruction_layer.conv2.conv")],
    }
    for i in range(model.hyperparameters["num_res_blocks"]):
        for size, step in ((5, 1), (3, 1), (5, 2), (3, 2)):
            weights[f"body_{i}_conv{size}_{step}"] = tensors.conv(f"residual_blocks.{i}.conv{size}_{step}.conv")
        weights[f"body_{i}_project"] = tensors.conv(f"residual_blocks.{i}.bottleneck.conv")
    return weights
