"""DCSCN: jiny2001/dcscn-super-resolution and yu45020/Waifu2x."""

from wdsr_tf.importers.project import Candidate, MismatchError, Project
from wdsr_tf.importers.tensors import stages


def authors(tensors, model):
    """jiny2001/dcscn-super-resolution, TensorFlow's layout: `CNN{1..L}`, `A1`, `B1`, `B2`, `Up-PS[2]`, `R-CNN1`.

    Adam's moments in a training checkpoint are ignored.
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
    for i, factor in enumerate(stages(model.scale), start=1):
        name = f"Up-PS{i if i > 1 else ''}"
        conv = f"{name}/{name}_CNN"
        weights[f"upsampler_x{factor}_{i}"] = [tensors.take(f"{conv}/conv_W"), tensors.take(f"{conv}/conv_B")]
    return weights


def yu45020(tensors, model):
    """yu45020/Waifu2x: `feature_block.Feature {1..L}`, `reconstruction_block.{A,B.0,B.1}`, `up_sampler`."""
    names = {f"body_{i}": f"feature_block.Feature {i + 1}" for i in range(model.hyperparameters["num_layers"])}
    names |= {"nin_a": "reconstruction_block.A"}
    names |= {"nin_b_1": "reconstruction_block.B.0", "nin_b_2": "reconstruction_block.B.1"}
    weights = {layer: tensors.conv(f"{name}.Conv2d") for layer, name in names.items()}
    weights[f"upsampler_x{model.scale}"] = tensors.conv("up_sampler.Conv2d_block.Conv2d", shuffle=model.scale)
    weights["tail"] = tensors.conv("up_sampler.Conv2d", bias=False)
    return weights


def _detect_authors(contents):
    if not contents.has("CNN1/conv_W", "A1/conv_W", "R-CNN1/conv_W"):
        return
    widths = _widths(contents, "CNN{}/conv_W", (0, 1, 2, 3))
    options = {"num_filters": widths[0], "min_filters": widths[-1], "num_layers": len(widths), "gamma": _gamma(widths)}
    a, b = (contents.shape(f"{name}/conv_W")[3] for name in ("A1", "B1"))
    contents.expect("B2/conv_W", 3, 3, b, b)
    options |= {"nin_filters": a, "nin_filters_2": b}
    if contents.has("Up-TCNN/Tconv_W"):
        size = contents.shape("Up-TCNN/Tconv_W")[0]
        yield Candidate("dcscn", ((size + 1) // 2,), options | {"upsampler": "transposed"})
        return
    last = contents.shape("R-CNN1/conv_W")[2]
    name = "Up-PS2/Up-PS2_CNN/conv_W" if contents.has("Up-PS2/Up-PS2_CNN/conv_W") else "Up-PS/Up-PS_CNN/conv_W"
    factor = contents.shuffle_factor(name, last, axis=3)
    yield Candidate("dcscn", (factor**2 if "PS2" in name else factor,), options | {"upsampler_filters": last})


def _detect_yu45020(contents):
    if not contents.has("feature_block.Feature 1.Conv2d.weight", "reconstruction_block.A.Conv2d.weight"):
        return
    widths = _widths(contents, "feature_block.Feature {}.Conv2d.weight", (2, 3, 1, 0))
    last = contents.shape("up_sampler.Conv2d.weight")[1]
    options = {
        "num_filters": widths[0],
        "min_filters": widths[-1],
        "num_layers": len(widths),
        "upsampler_filters": last,
    }
    options["nin_filters"] = a = contents.shape("reconstruction_block.A.Conv2d.weight")[0]
    contents.expect("reconstruction_block.B.1.Conv2d.weight", a, a // 2, 3, 3)
    yield Candidate("dcscn-12", (contents.shuffle_factor("up_sampler.Conv2d_block.Conv2d.weight", last),), options)


def _widths(contents, name, axes):
    """Returns the widths of `name.format(1)`, ..., whose `axes` are height, width, inputs and outputs."""
    widths, inputs = [], None
    while contents.has(each := name.format(len(widths) + 1)):
        shape = contents.shape(each)
        height, width, channels, filters = (shape[axis] for axis in axes)
        if (height, width) != (3, 3) or inputs not in (None, channels):
            raise MismatchError(f"{each} has shape {shape}, which doesn't follow {inputs} channels")
        widths.append(filters)
        inputs = filters
    return widths


def _gamma(widths):
    """Returns a gamma that gives these widths; if several do, all give the same model."""
    first, last, steps = widths[0], widths[-1], max(1, len(widths) - 1)
    for gamma in (1.5, 1.2, *(i / 20 for i in range(1, 101))):
        falls = (1 - (i / steps) ** (1 / gamma) for i in range(len(widths)))
        if [int((first - last) * fall + last) for fall in falls] == widths:  # as in models.dcscn.authors_widths
            return gamma
    raise MismatchError(f"no gamma up to 5 gives the widths {' '.join(map(str, widths))}")


PROJECTS = [
    Project("jiny2001/dcscn-super-resolution", authors, _detect_authors),
    Project("yu45020/Waifu2x (DCSCN)", yu45020, _detect_yu45020),
]
