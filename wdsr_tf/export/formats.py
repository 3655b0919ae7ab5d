"""The export formats and the packages that each needs. Imports nothing heavy.

Every format has a module of its name with two functions:

    write(model, path, form)    writes a float32 `SRModel` without weight normalization to `path`
    opened(path)                returns a function from inputs to outputs of the `Form`

Those that have int8 also have `write_int8(model, path, form, calibration)`.
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
        int8: packages that int8 needs in addition, as `packages`; None if the format isn't written in int8.
    """

    suffix: str
    packages: dict[str, str]
    extra: str
    card: str
    runtime: str
    is_fixed: bool = False
    int8: dict[str, str] | None = None


FORMATS = {
    "onnx": Format(".onnx", {"onnx": "onnx", "onnxruntime": "onnxruntime"}, "train", ".onnx", "onnxruntime"),
    "openvino": Format(
        ".xml",
        {"onnx": "onnx", "openvino": "openvino"},
        "openvino",
        ".openvino",
        "openvino",
        int8={"nncf": "nncf"},
    ),
    "litert": Format(
        ".tflite", {"ai_edge_litert": "ai-edge-litert"}, "litert", ".tflite", "ai-edge-litert", is_fixed=True, int8={}
    ),
    "saved_model": Format(".saved_model", {}, "train", ".saved_model", "tensorflow"),
}


def demand(names: Iterable[str], precision: str = "float32") -> list[str]:
    """Returns the names of formats without duplicates.

    Raises:
        InputError: no name is given, a name is unknown, its format doesn't have the precision, or a package of it isn't
            installed.
    """
    names = list(dict.fromkeys(names))
    if not names:
        raise InputError(f"No export format given. Choose from {', '.join(FORMATS)}.")
    for name in names:
        form = FORMATS[check_choice("export format", name, FORMATS)]
        if precision == "int8" and form.int8 is None:
            offered = " and ".join(name for name, each in FORMATS.items() if each.int8 is not None)
            raise InputError(f"The export format {name} isn't written in int8. Formats with int8: {offered}.")
        packages = form.packages | (form.int8 if precision == "int8" else {})
        for package, distribution in packages.items():
            if not is_installed(package):
                raise missing(distribution, form.extra, f"The export format {name}")
    return names


def module(name: str) -> ModuleType:
    """Returns the module that writes and runs a format."""
    return importlib.import_module(f"wdsr_tf.export.{name}")
