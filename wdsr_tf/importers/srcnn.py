"""SRCNN: Scthe/SRCNN-PyTorch, yjn870/SRCNN-pytorch, and the authors' MATLAB code."""

from wdsr_tf.importers.project import Candidate, MismatchError, Project

SCALES = (2, 3, 4)


def pytorch(tensors, model):
    """Scthe/SRCNN-PyTorch (also its ONNX file) and yjn870/SRCNN-pytorch: `conv1`, `conv2`, `conv3`."""
    return {"head": tensors.conv("conv1"), "body": tensors.conv("conv2"), "tail": tensors.conv("conv3")}


def matlab(tensors, model):
    """The authors' .mat files: `weights_conv1` (81, out), `weights_conv2` (in, 1 or 25, out), `weights_conv3` (in, 25),
    `biases_conv{1,2,3}` (out, 1).

    The long axis is a square kernel in MATLAB's column-major order. The authors' code passes it to `imfilter`, which
    correlates, like our convolutions, and repeats the border, like `padding="valid"` at inference.
    """
    weights = {}
    for i, name in enumerate(("head", "body", "tail"), start=1):
        kernel = tensors.take(f"weights_conv{i}")
        height, width, channels, filters = model.get_layer(name).kernel.shape
        if kernel.size == height * width * channels * filters:  # `assign` reports any other size
            kernel = kernel.reshape(channels, height, width, filters, order="F").transpose(1, 2, 0, 3)
        weights[name] = [kernel, tensors.take(f"biases_conv{i}").reshape(-1)]
    return weights


def _detect_scthe(contents):
    if not contents.has("conv1.weight", "conv2.weight", "conv3.weight"):
        return
    shape = contents.shape("conv1.weight")
    if shape[1:] != (1, 9, 9):  # VGG7 has the same names
        return
    filters, size = shape[0], contents.shape("conv2.weight")[2]
    contents.expect("conv2.weight", filters // 2, filters, size, size)
    yield _candidate(filters, size, padding="same", colors="full-range", pre_upscaling="bilinear")


def _detect_yjn870(contents):
    for candidate in _detect_scthe(contents):
        if candidate.hyperparameters["body_size"] == 5:
            yield _candidate(candidate.hyperparameters["num_filters"], 5, padding="same", colors="bt601")


def _detect_matlab(contents):
    if not contents.has("weights_conv1", "weights_conv2", "weights_conv3"):
        return
    sizes = {1: 1, 25: 5}
    taps = contents.shape("weights_conv2", rank=3)[1]
    if taps not in sizes:
        raise MismatchError(
            f"weights_conv2 has shape {contents.shapes['weights_conv2']}; expected 1 or 25 in the middle"
        )
    filters = contents.shape("weights_conv1", rank=2)[1]
    contents.expect("weights_conv2", filters, taps, filters // 2)
    yield _candidate(filters, sizes[taps], padding="valid", colors="bt601")


def _candidate(filters, body_size, **options):
    options = {"num_filters": filters, "body_size": body_size, **options}
    return Candidate("srcnn", SCALES, options)


PROJECTS = [
    Project("Scthe/SRCNN-PyTorch", pytorch, _detect_scthe),
    Project("yjn870/SRCNN-pytorch", pytorch, _detect_yjn870),
    Project("the authors of SRCNN", matlab, _detect_matlab),
]
