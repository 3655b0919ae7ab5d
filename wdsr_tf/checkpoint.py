"""Checkpoints: standard `.keras` files that contain the recipe of their network.

`keras.saving.load_model` reads them wherever `wdsr_tf` is installed. These functions add atomic writes, clear errors,
a way to read the recipe without importing Keras, and bounds: a checkpoint from an unknown source runs no code, writes
nothing, and takes no more memory and time than one of its size should. The recipe and the shapes of the stored arrays
are checked before the network is built, and each layer against those arrays before it gets its weights.

The state of an adversarial run has more members: one array for each variable of the discriminator and its optimizer. A
run's published checkpoints are without them.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wdsr_tf.errors import InputError, line
from wdsr_tf.files import atomic, temporary_folder
from wdsr_tf.system import archives

if TYPE_CHECKING:
    from wdsr_tf.models import SRModel

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
DISCRIMINATOR = re.compile(r"discriminator/\d{1,4}\.npy")  # members that only states have
MAX_HEADER = 4096  # bytes of a .npy file before its numbers
OPTIMIZER = "optimizer/vars/"  # in WEIGHTS: the optimizer's arrays, those of an inner optimizer included
MAX_CONFIG = 8 * 2**20  # bytes; a history of 10,000 epochs takes 3 MB
MAX_SCALE = 64
MAX_NUMBER = 4096  # of filters, blocks, ...
MAX_BLOCKS = 1024  # the product of all counts of blocks, groups, units, and layers: Keras takes milliseconds for each
MAX_HYPERPARAMETERS = 64
MAX_LETTERS = 64
MAX_DEPTH = 16  # of nested lists and dictionaries; Keras walks through them recursively
COUNTS = ("num_res_blocks", "num_groups", "num_units", "num_layers")


class CheckpointError(InputError):
    """A file isn't a complete checkpoint of this package. The message names the file and the reason."""


def save(model: SRModel, path: str | Path, discriminator: Sequence[Any] = ()) -> None:
    """Writes `model` to `path` (suffix `.keras`), with its optimizer if it is compiled.

    Args:
        model: the network.
        path: where to write.
        discriminator: variables to write beside it, for `load_discriminator`.
    """
    with atomic(path) as temporary:
        with temporary_folder(temporary.parent) as folder, _made_in(folder):
            model.save(temporary)
        if discriminator:
            import numpy as np

            with zipfile.ZipFile(temporary, "a") as archive:
                for name, variable in zip(_discriminator_names(discriminator), discriminator, strict=True):
                    with archive.open(name, "w") as file:
                        np.lib.format.write_array(file, _array(variable), version=(1, 0), allow_pickle=False)


def has_discriminator(path: str | Path) -> bool:
    """Whether the checkpoint at `path` is the state of an adversarial run."""
    with archives.opened(path) as (_, members):
        return any(map(DISCRIMINATOR.fullmatch, members))


def save_without_discriminator(path: str | Path, target: str | Path) -> None:
    """Copies the checkpoint at `path`, but without a discriminator."""
    with archives.opened(path) as (archive, members), zipfile.ZipFile(target, "w") as published:
        for name, member in members.items():
            if not DISCRIMINATOR.fullmatch(name):
                archives.copy_member(archive, member, published)


def load_discriminator(path: str | Path, variables: Sequence[Any]) -> None:
    """Loads what `save` wrote beside a network into `variables`; each array is checked before it's read.

    Raises:
        InputError: the checkpoint has none although there are variables, or has other ones.
    """
    import numpy as np

    names = _discriminator_names(variables)
    with archives.opened(path) as (archive, members):
        found = {name for name in members if DISCRIMINATOR.fullmatch(name)}
        if found != {*names}:
            raise InputError(
                f"{path} has {'the state of another discriminator' if found else 'no discriminator'}: the settings "
                "differed. Keep the settings that the run was started with, or start a new one from its weights, as "
                "pretrained_model without initial_epoch."
            )
        for name, variable in zip(names, variables, strict=True):
            expected = _array(variable)
            try:
                data = io.BytesIO(archives.read(archive, members[name], expected.nbytes + MAX_HEADER))
                version = np.lib.format.read_magic(data)
                shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(data, max_header_size=MAX_HEADER)
            except (InputError, ValueError, zipfile.BadZipFile) as error:
                raise CheckpointError(f"{path}: {name} is damaged: {line(error)}") from error
            if version != (1, 0) or is_fortran or (shape, dtype) != (expected.shape, expected.dtype):
                raise InputError(
                    f"{path} has the state of another discriminator: {name} is {dtype} {shape}, not {expected.dtype} "
                    f"{expected.shape}. Keep the settings that the run was started with."
                )
            numbers = data.read()
            if len(numbers) != expected.nbytes:
                raise CheckpointError(f"{path}: {name} is damaged: it has {len(numbers)} bytes of numbers")
            variable.assign(np.frombuffer(numbers, dtype).reshape(shape))


def _discriminator_names(variables):
    return [f"discriminator/{i:04d}.npy" for i in range(len(variables))]


def _array(variable):
    import keras
    import numpy as np

    return np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).reshape(variable.shape)


@contextlib.contextmanager
def _made_in(folder):
    """Makes temporary files in `folder`: Keras makes one for assets at each save, and a killed process leaves it."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def load(path: str | Path, compile: bool = False) -> SRModel:
    """Loads the model at `path` under the global dtype policy.

    Args:
        path: a `.keras` file.
        compile: whether to restore the optimizer and the loss too. Only for files that you trust: Keras builds whatever
            classes of its own they name.

    Raises:
        CheckpointError: the file is missing, damaged, larger than any model, or not a checkpoint of this package.
    """
    read_config(path)  # a clear error before Keras is imported
    return _load(path, _shapes(path), compile)


def load_state(model: SRModel, path: str | Path) -> dict[str, Any]:
    """Loads the weights and the optimizer's state at `path` into the compiled `model`.

    Returns:
        The checkpoint's facts.

    Raises:
        InputError: the file can't be used, or contains another network, or another optimizer's state.
    """
    read_config(path)
    shapes = _shapes(path)
    saved = _load(path, shapes)
    if saved.recipe != model.recipe:
        raise InputError(f"{path} contains {saved.recipe}, but the settings describe {model.recipe}.")
    model.set_weights(saved.get_weights())
    if not model.optimizer.built:  # Keras's LossScaleOptimizer would add its variables again
        model.optimizer.build(model.trainable_variables)
    variables = model.optimizer.variables
    stored = {name: found for name, found in shapes.items() if name.startswith(OPTIMIZER)}
    names = [f"{OPTIMIZER}{i}" for i in range(len(variables))]
    if stored != {name: (_kind(v.dtype), tuple(v.shape)) for name, v in zip(names, variables, strict=True)}:
        raise InputError(
            f"{path} has the state of another optimizer: optimizer, precision, or ema differed. Keep the settings that "
            "it was trained with, or start a new run from its weights, as pretrained_model."
        )
    import h5py

    with archives.opened(path) as (archive, members), _explained(path):
        member = members[WEIGHTS]
        with h5py.File(io.BytesIO(archives.read(archive, member, member.file_size)), "r") as file:
            for name, variable in zip(names, variables, strict=True):
                variable.assign(file[name][()])
    return saved.facts


def _load(path, shapes, compile=False):
    import keras

    from wdsr_tf.models.registry import weights_checked

    left = Counter(shape for name, (_, shape) in shapes.items() if not name.startswith("optimizer/"))

    def check(shape):
        left[shape] -= 1
        if left[shape] < 0:
            raise CheckpointError(f"{path}: its recipe describes another network than its stored weights belong to")

    with _explained(path), weights_checked(check):
        return keras.saving.load_model(path, compile=compile)


def read_config(path: str | Path) -> dict[str, Any]:
    """Returns a checkpoint's `architecture`, `scale`, `hyperparameters` and `facts`, without importing Keras.

    Raises:
        CheckpointError: the file is missing, damaged or not a checkpoint of this package.
    """
    return _config(path)["config"]


def _config(path):
    """Returns config.json after checking its size, the recipe's types, and the sizes that the recipe asks for."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        with archives.opened(path) as (archive, members):
            unknown = members.keys() - {CONFIG, "metadata.json", WEIGHTS} - {*filter(DISCRIMINATOR.fullmatch, members)}
            if unknown:
                raise CheckpointError(f"it has the member {min(unknown)[:MAX_LETTERS]!r}, which no checkpoint has")
            methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            config = json.loads(archives.read(archive, members[CONFIG], MAX_CONFIG, methods))
    except KeyError:
        raise CheckpointError(f"{path}: not a complete .keras file (it has no {CONFIG})") from None
    except Exception as error:  # zipfile and zlib raise many types for damaged files
        from wdsr_tf.importers.formats import mistaken

        with path.open("rb") as file:
            what = mistaken.named(file.read(512))
        raise CheckpointError(
            f"{path} {what}" if what else f"{path}: not a complete .keras file ({line(error)})"
        ) from error
    if not isinstance(config, dict) or config.get("registered_name") != "wdsr_tf>SRModel":
        raise CheckpointError(f"{path}: a Keras file, but not a model of wdsr_tf")
    recipe = config.get("config")
    if not isinstance(recipe, dict) or not {"architecture", "scale", "hyperparameters"} <= recipe.keys():
        raise CheckpointError(f"{path}: a model of wdsr_tf, but its recipe is incomplete")
    if not _is_shallow(config, MAX_DEPTH):
        raise CheckpointError(f"{path}: its recipe is damaged: lists in it are nested too deep")
    if problem := _problem(**{"facts": {}} | recipe) or _build_problem(config.get("build_config")):
        raise CheckpointError(f"{path}: its recipe is damaged: {problem}")
    return config


def _problem(architecture, scale, hyperparameters, facts, **_):
    """Returns what no network has, in words; "" if there is nothing."""
    types = {"architecture": (architecture, str), "scale": (scale, int)}
    types |= {"hyperparameters": (hyperparameters, dict), "facts": (facts, dict)}
    for name, (value, kind) in types.items():
        if type(value) is not kind:
            return f"{name} has the wrong type"
    if not 1 <= scale <= MAX_SCALE or not 0 < len(architecture) <= MAX_LETTERS or not architecture.isprintable():
        return "no network has its name or scale"
    if len(hyperparameters) > MAX_HYPERPARAMETERS:
        return f"it has {len(hyperparameters)} hyperparameters"
    for name, value in hyperparameters.items():
        if not name.isidentifier() or len(name) > MAX_LETTERS or not _is_plausible(value):
            return f"no network has {line(name)[:MAX_LETTERS]}={line(repr(value)[:MAX_LETTERS])}"
    counts = [hyperparameters.get(name) or 1 for name in COUNTS]
    if not all(isinstance(count, int) and count >= 0 for count in counts) or math.prod(counts) > MAX_BLOCKS:
        return f"no network has more than {MAX_BLOCKS} blocks, layers, and units"
    return ""


def _build_problem(config):
    shape = config.get("input_shape") if isinstance(config, dict) else None
    known = config is None or (isinstance(config, dict) and config.keys() <= {"input_shape"})
    if known and (shape is None or shape in ([None, None, None, 3], [1, None, None, 3])):
        return ""
    return "no network has its input"


def _is_plausible(value):
    if isinstance(value, list):
        return len(value) <= MAX_LETTERS and all(_is_plausible(each) for each in value)
    if isinstance(value, str):
        return value.isprintable() and len(value) <= MAX_LETTERS
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, int) and abs(value) <= MAX_NUMBER)


def _is_shallow(value, depth):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth >= 0 and all(_is_shallow(each, depth - 1) for each in inner)


def _shapes(path):
    """Returns {path in the file: (kind's letter, shape)} of all arrays, which a child process reads."""
    # These imports point up: reading containers safely is the importers' work, and depends on nothing of ours.
    from wdsr_tf.importers.formats import confined

    try:
        found = confined.read("checkpoint_shapes", Path(path), Path(path).stat().st_size)
    except InputError as error:
        raise CheckpointError(f"{path}: can't be loaded: {line(error)}") from error
    return {name: (chr(kind), tuple(shape)) for name, (kind, *shape) in ((k, v.tolist()) for k, v in found.items())}


def _kind(dtype):
    return "f" if "float" in str(dtype) else "u" if str(dtype).startswith("uint") else str(dtype)[0]


@contextlib.contextmanager
def _explained(path):
    """Turns whatever Keras raises about the file at `path` into a CheckpointError of one line."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(f"{path}: can't be loaded: {line(error)}") from error
