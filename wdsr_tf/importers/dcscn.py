"""DCSCN's published layouts."""

from wdsr_tf.importers.project import MisfitError, Project, Recipe
from wdsr_tf.importers.tensors import stages


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
    for i, factor in enumerate(stages(model.scale), start=1):
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


def _authors_recipes(published):
    if not published.has("CNN1/conv_W", "A1/conv_W", "R-CNN1/conv_W"):
        return
    widths = _widths(published, "CNN{}/conv_W", (0, 1, 2, 3))
    how = {"num_filters": widths[0], "min_filters": widths[-1], "num_layers": len(widths), "gamma": _gamma(widths)}
    a, b = (published.shape(f"{name}/conv_W")[3] for name in ("A1", "B1"))
    published.expect("B2/conv_W", 3, 3, b, b)
    how |= {"nin_filters": a, "nin_filters_2": b}
    if published.has("Up-TCNN/Tconv_W"):
        size = published.shape("Up-TCNN/Tconv_W")[0]
        yield Recipe("dcscn", ((size + 1) // 2,), how | {"upsampler": "transposed"})
        return
    last = published.shape("R-CNN1/conv_W")[2]
    name = "Up-PS2/Up-PS2_CNN/conv_W" if published.has("Up-PS2/Up-PS2_CNN/conv_W") else "Up-PS/Up-PS_CNN/conv_W"
    factor = published.enlarges(name, last, axis=3)
    yield Recipe("dcscn", (factor**2 if "PS2" in name else factor,), how | {"upsampler_filters": last})


def _seed_recipes(published):
    if not published.has("feature_block.Feature 1.Conv2d.weight", "reconstruction_block.A.Conv2d.weight"):
        return
    widths = _widths(published, "feature_block.Feature {}.Conv2d.weight", (2, 3, 1, 0))
    last = published.shape("up_sampler.Conv2d.weight")[1]
    how = {"num_filters": widths[0], "min_filters": widths[-1], "num_layers": len(widths), "upsampler_filters": last}
    how["nin_filters"] = a = published.shape("reconstruction_block.A.Conv2d.weight")[0]
    published.expect("reconstruction_block.B.1.Conv2d.weight", a, a // 2, 3, 3)
    yield Recipe("dcscn-12", (published.enlarges("up_sampler.Conv2d_block.Conv2d.weight", last),), how)


def _widths(published, name, axes):
    """The widths of the chain `name.format(1)` ...; `axes` are height, width, inputs and outputs of its kernels."""
    widths, inputs = [], None
    while published.has(name.format(len(widths) + 1)):
        shape = published.shape(name.format(len(widths) + 1))
        height, width, channels, filters = (shape[axis] for axis in axes)
        if (height, width) != (3, 3) or inputs not in (None, channels):
            raise MisfitError(f"{name.format(len(widths) + 1)} is {shape}, which does not follow {inputs} channels")
        widths.append(filters)
        inputs = filters
    return widths


def _gamma(widths):
    """A gamma that gives these widths; several do, and all of them are the same network."""
    first, last, steps = widths[0], widths[-1], max(1, len(widths) - 1)
    for gamma in (1.5, 1.2, *(i / 20 for i in range(1, 101))):
        falls = (1 - (i / steps) ** (1 / gamma) for i in range(len(widths)))
        if [int((first - last) * fall + last) for fall in falls] == widths:  # as models.dcscn.authors_widths
            return gamma
    raise MisfitError(f"no gamma up to 5 gives the widths {' '.join(map(str, widths))}")


PROJECTS = [
    Project("jiny2001/dcscn-super-resolution", authors, _authors_recipes),
    Project("yu45020/Waifu2x (DCSCN)", seed, _seed_recipes),
]
