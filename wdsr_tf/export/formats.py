"""The export formats and the packages that each needs. Imports nothing heavy.

Every format has a module of its name with two functions:

    write(model, path, *, half, image, tile)    writes a float32 `SRModel` without weight normalization to `path`
    opened(path)                                returns a function from (N, H, W, 3) to (N, scale * H, scale * W, 3)
"""

import dataclasses
import importlib
from collections.abc import Iterable
from types import ModuleType

from wdsr_tf.errors import InputError, check_choice
from wdsr_tf.system.extras import is_installed, missing


@dataclasses.dataclass(frozen=True)
class Format:
    """An export format.

    Args:
        suffix: of the file or folder.
        packages: modules that write and run the format, with the distributions that contain them.
        extra: the extra of wdsr-tf that installs these packages.
        card: what follows the model's name in the names of the card's files.
        runtime: the distribution that runs the exported model.
        is_fixed: whether the exported model takes images of one size only, the tile.
    """

    suffix: str
    packages: dict[str, str]
    extra: str
    card: str
    runtime: str
    is_fixed: bool = False


FORMATS = {
    "onnx": Format(".onnx", {"onnx": "onnx", "onnxruntime": "onnxruntime"}, "train", ".onnx", "onnxruntime"),
    "openvino": Format(".xml", {"onnx": "onnx", "openvino": "openvino"}, "openvino", ".openvino", "openvino"),
    "litert": Format(
        ".tflite", {"ai_edge_litert": "ai-edge-litert"}, "litert", ".tflite", "ai-edge-litert", is_fixed=True
    ),
    "saved_model": Format(".saved_model", {}, "train", ".saved_model", "tensorflow"),
}


def demand(names: Iterable[str]) -> list[str]:
    """Returns the names of formats without duplicates.

    Raises:
        InputError: no name is given, a name is unknown, or a package of its format isn't installed.
    """
    names = list(dict.fromkeys(names))
    if not names:
        raise InputError(f"No export format given. Choose from {', '.join(FORMATS)}.")
    for name in names:
        form = FORMATS[check_choice("export format", name, FORMATS)]
        for package, distribution in form.packages.items():
            if not is_installed(package):
                raise missing(distribution, form.extra, f"The export format {name}")
    return names


def module(name: str) -> ModuleType:
    """Returns the module that writes and runs a format."""
    return importlib.import_module(f"wdsr_tf.export.{name}")
