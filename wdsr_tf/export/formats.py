"""The formats that networks leave the house in, and what each needs. Imports nothing heavy.

Each has a module of its name with two functions:

    write(model, path, *, half, image, tile)    the `SRModel`, float32 and without weight norm, into `path`
    opened(path)                                a function from (N, H, W, 3) to (N, scale * H, scale * W, 3)
"""

import dataclasses
import importlib
import importlib.util

from wdsr_tf.errors import InputError, suggestion


@dataclasses.dataclass(frozen=True)
class Format:
    """Attributes:
    suffix: of the network's file or folder.
    packages: {module: distribution} of what writes and runs it, beside what is always installed.
    extra: that installs them, or None.
    is_fixed: whether a network has one size of input, the tile.
    card: what the card's name has between the network's name and `.json`.
    runtime: the distribution that runs it.
    """

    suffix: str
    packages: dict
    extra: str | None
    card: str
    runtime: str
    is_fixed: bool = False


FORMATS = {
    "onnx": Format(".onnx", {"onnx": "onnx", "onnxruntime": "onnxruntime"}, "onnx", ".onnx", "onnxruntime"),
    "openvino": Format(".xml", {"onnx": "onnx", "openvino": "openvino"}, "openvino", ".openvino", "openvino"),
    "litert": Format(
        ".tflite", {"ai_edge_litert": "ai-edge-litert"}, "litert", ".tflite", "ai-edge-litert", is_fixed=True
    ),
    "saved_model": Format(".saved_model", {}, None, ".saved_model", "tensorflow"),
}


def demand(names):
    """The names without those that are there twice; InputError where one is unknown or its packages are missing."""
    if not names:
        raise InputError(f"--format names what to export to: {', '.join(FORMATS)}")
    for name in names:
        if name not in FORMATS:
            hint = suggestion(name, FORMATS)
            raise InputError(f"there is no format {name!r}; {hint}known are {', '.join(FORMATS)}")
        wanted = FORMATS[name]
        missing = [package for module, package in wanted.packages.items() if not importlib.util.find_spec(module)]
        if missing:
            raise InputError(
                f"the format {name} needs {' and '.join(missing)}: pip install 'wdsr-tf[{wanted.extra}]', "
                "or leave it out of --format"
            )
    return list(dict.fromkeys(names))


def module(name):
    """The module that writes and runs that format."""
    return importlib.import_module(f"wdsr_tf.export.{name}")
