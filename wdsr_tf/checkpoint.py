"""Checkpoints: standard `.keras` files that know their own recipe.

`keras.saving.load_model` reads them wherever `wdsr_tf` is installed; these functions add atomic writes, clear errors
and a look at the recipe that imports no Keras.
"""

import json
import zipfile
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic


class CheckpointError(InputError):
    """A file that is not a whole checkpoint of this house; the message names the file and the reason."""


def save(model, path):
    """Writes `model`, with its optimizer if it is compiled, to `path` (suffix `.keras`)."""
    with atomic(path) as temporary:
        model.save(temporary)


def load(path, compile=False):
    """Reads the network at `path` under the global dtype policy; `compile=True` restores its optimizer as well.

    Raises CheckpointError where the file is missing, broken, or not one of ours.
    """
    read_config(path)  # one plain reason, before Keras builds anything
    import keras

    import wdsr_tf.models  # noqa: F401  (registers the model class)

    try:
        return keras.saving.load_model(path, compile=compile)
    except Exception as error:  # Keras raises whatever the broken part raised
        raise CheckpointError(f"{path}: cannot be loaded: {error}") from error


def read_config(path):
    """The recipe in the file at `path`: architecture, scale, hyperparameters, facts. Imports no Keras."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except Exception as error:  # zipfile and zlib raise whatever the broken bytes led to
        raise CheckpointError(f"{path}: is not a whole .keras file ({error})") from error
    if not isinstance(config, dict) or config.get("registered_name") != "wdsr_tf>SRModel":
        raise CheckpointError(f"{path}: is a Keras file, but not a network of wdsr_tf")
    recipe = config.get("config")
    if not isinstance(recipe, dict) or not {"architecture", "scale", "hyperparameters"} <= recipe.keys():
        raise CheckpointError(f"{path}: says it is a network of wdsr_tf, but its recipe is incomplete")
    return recipe
