"""SRCNN's published layouts."""


def seed(tensors, model):
    """Scthe/SRCNN-PyTorch, also in its ONNX file, and yjn870/SRCNN-pytorch: `conv1`, `conv2`, `conv3`."""
    return {"head": tensors.conv("conv1"), "body": tensors.conv("conv2"), "tail": tensors.conv("conv3")}
