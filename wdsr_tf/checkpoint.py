"""Checkpoints: standard `.keras` files that contain the recipe of their network.

`keras.saving.load_model` reads them wherever `wdsr_tf` is installed. These functions add atomic writes, clear errors,
and a way to read the recipe without importing Keras.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic

if TYPE_CHECKING:
    from wdsr_tf.models import SRModel


class CheckpointError(InputError):
    """A file isn't a complete checkpoint of this package. The message names the file and the reason."""


def save(model: SRModel, path: str | Path) -> None:
    """Writes `model` to `path` (suffix `.keras`), with its optimizer if it is compiled."""
    with atomic(path) as temporary:
        model.save(temporary)


def load(path: str | Path, compile: bool = False) -> SRModel:
    """Loads the model at `path` under the global dtype policy.

    Args:
        path: a `.keras` file.
        compile: whether to restore the optimizer and the loss too.

    Raises:
        CheckpointError: the file is missing, damaged or not a checkpoint of this package.
    """
    read_config(path)  # a clear error before Keras starts building
    import keras

    import wdsr_tf.models  # noqa: F401  (registers the model class)

    try:
        return keras.saving.load_model(path, compile=compile)
    except Exception as error:  # Keras raises whatever the broken part raised
        raise CheckpointError(f"{path}: can't be loaded: {error}") from error


def read_config(path: str | Path) -> dict[str, Any]:
    """Returns a checkpoint's `architecture`, `scale`, `hyperparameters` and `facts`, without importing Keras.

    Raises:
        CheckpointError: the file is missing, damaged or not a checkpoint of this package.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except Exception as error:  # zipfile and zlib raise many types for damaged files
        raise CheckpointError(f"{path}: not a complete .keras file ({error})") from error
    if not isinstance(config, dict) or config.get("registered_name") != "wdsr_tf>SRModel":
        raise CheckpointError(f"{path}: a Keras file, but not a model of wdsr_tf")
    recipe = config.get("config")
    if not isinstance(recipe, dict) or not {"architecture", "scale", "hyperparameters"} <= recipe.keys():
        raise CheckpointError(f"{path}: a model of wdsr_tf, but its recipe is incomplete")
    return recipe
