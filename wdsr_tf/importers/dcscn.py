"""DCSCN's published layouts."""


def authors(tensors, model):
    """jiny2001/dcscn-super-resolution, TensorFlow's layout: `CNN{1..L}`, `A1`, `B1`, `B2`, `Up-PS[2]`, `R-CNN1`.

    Of a training checkpoint Adam's moments are left out.
    """
    tensors.drop("beta1_power", "beta2_power", *(n for n in tensors.left() if n.endswith(("/Adam", "/Adam_1"))))
    names = {"nin_a": "A1", "nin_b_1": "B1", "nin_b_2": "B2"}
    names |= {f"body_{i}": f"CNN{i + 1}" for i in range(model.hyperparameters["num_layers"])}
    weights = {"tail": [tensors.take("R-CNN1/conv_W")]}
    for layer, name in names.items():
        weights[layer] = [tensors.take(f"{name}/conv_W"), tensors.take(f"{name}/conv_B")]
        weights[f"{layer}_prelu"] = [tensors.take(f"{name}/prelu/{name}_prelu").reshape(1, 1, -1)]
    if model.hyperparameters["upsampler"] == "transposed":
        return weights | {f"upsampler_x{model.scale}": [tensors.take("Up-TCNN/Tconv_W")]}
    for i, factor in enumerate({2: [2], 3: [3], 4: [2, 2]}[model.scale], start=1):
        name = f"Up-PS{i if i > 1 else ''}"
        conv = f"{name}/{name}_CNN"
        weights[f"upsampler_x{factor}_{i}"] = [tensors.take(f"{conv}/conv_W"), tensors.take(f"{conv}/conv_B")]
    return weights


def seed(tensors, model):
    """yu45020/Waifu2x: `feature_block.Feature {1..L}`, `reconstruction_block.{A,B.0,B.1}`, `up_sampler`."""
    names = {f"body_{i}": f"feature_block.Feature {i + 1}" for i in range(model.hyperparameters["num_layers"])}
    names |= {"nin_a": "reconstruction_block.A"}
    names |= {"nin_b_1": "reconstruction_block.B.0", "nin_b_2": "reconstruction_block.B.1"}
    weights = {layer: tensors.conv(f"{name}.Conv2d") for layer, name in names.items()}
    weights[f"upsampler_x{model.scale}"] = tensors.conv("up_sampler.Conv2d_block.Conv2d", shuffle=model.scale)
    weights["tail"] = tensors.conv("up_sampler.Conv2d", bias=False)
    return weights
