"""SRCNN's published layouts."""

from wdsr_tf.importers.project import MisfitError, Project, Recipe

SCALES = (2, 3, 4)


def seed(tensors, model):
    """Scthe/SRCNN-PyTorch, also in its ONNX file, and yjn870/SRCNN-pytorch: `conv1`, `conv2`, `conv3`."""
    return {"head": tensors.conv("conv1"), "body": tensors.conv("conv2"), "tail": tensors.conv("conv3")}


def matlab(tensors, model):
    """The authors' .mat files: `weights_conv1` (81, out), `weights_conv2` (in, 1 or 25, out), `weights_conv3` (in, 25),
    `biases_conv{1,2,3}` (out, 1).

    The long axis is a square kernel in MATLAB's order, down the columns; their code hands it to `imfilter`, which
    correlates, as our convolutions do, and repeats the border, as `padding="valid"` does at inference.
    """
    weights = {}
    for i, name in enumerate(("head", "body", "tail"), start=1):
        kernel = tensors.take(f"weights_conv{i}")
        height, width, channels, filters = model.get_layer(name).kernel.shape
        if kernel.size == height * width * channels * filters:  # another size is listed as it is in the file
            kernel = kernel.reshape(channels, height, width, filters, order="F").transpose(1, 2, 0, 3)
        weights[name] = [kernel, tensors.take(f"biases_conv{i}").reshape(-1)]
    return weights


def _seed_recipes(published):
    if not published.has("conv1.weight", "conv2.weight", "conv3.weight"):
        return
    shape = published.shape("conv1.weight")
    if shape[1:] != (1, 9, 9):  # VGG7 has such names, too
        return
    filters, size = shape[0], published.shape("conv2.weight")[2]
    published.expect("conv2.weight", filters // 2, filters, size, size)
    yield _recipe(filters, size, padding="same", colors="full-range", pre_upscaling="bilinear")


def _port_recipes(published):
    for recipe in _seed_recipes(published):
        if recipe.hyperparameters["body_size"] == 5:
            yield _recipe(recipe.hyperparameters["num_filters"], 5, padding="same", colors="bt601")


def _matlab_recipes(published):
    if not published.has("weights_conv1", "weights_conv2", "weights_conv3"):
        return
    sizes = {1: 1, 25: 5}
    taps = published.shape("weights_conv2", rank=3)[1]
    if taps not in sizes:
        raise MisfitError(f"weights_conv2 is {published.shapes['weights_conv2']}, should have 1 or 25 in the middle")
    filters = published.shape("weights_conv1", rank=2)[1]
    published.expect("weights_conv2", filters, taps, filters // 2)
    yield _recipe(filters, sizes[taps], padding="valid", colors="bt601")


def _recipe(filters, body_size, **how):
    how = {"num_filters": filters, "body_size": body_size, **how}
    return Recipe("srcnn", SCALES, how)


PROJECTS = [
    Project("Scthe/SRCNN-PyTorch", seed, _seed_recipes),
    Project("yjn870/SRCNN-pytorch", seed, _port_recipes),
    Project("the authors of SRCNN", matlab, _matlab_recipes),
]
