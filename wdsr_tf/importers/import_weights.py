"""A weights file -> a model that records where its weights came from."""

import contextlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from wdsr_tf import __version__
from wdsr_tf.errors import InputError
from wdsr_tf.importers import ours
from wdsr_tf.importers.formats import WeightsFile
from wdsr_tf.importers.project import Candidate
from wdsr_tf.importers.recognize import renamed
from wdsr_tf.importers.tensors import assign

if TYPE_CHECKING:
    from wdsr_tf.models.registry import SRModel

SLACK = 10**6  # weights


def import_weights(file: WeightsFile, candidate: Candidate, license: str | None = None) -> "SRModel":
    """Builds the model of a chosen candidate with the weights of a file.

    Args:
        file: What `formats.read` returned.
        candidate: What `recognize.choose` returned.
        license: The license of the weights, which the model's facts will record.

    Returns:
        The model. Its `facts` say where the weights came from, or, if the file is one of ours, what it says.

    Raises:
        InputError: The model can't be built, or an array is missing, unused, or of another shape.
    """
    from wdsr_tf.models import create_model

    arrays = renamed(file.arrays)
    try:
        with bounded(str(candidate), sum(np.size(array) for array in arrays.values())):
            model = create_model(candidate.name, candidate.scale, **candidate.hyperparameters)
    except InputError:
        raise
    except Exception as error:  # builders and Keras raise anything about a value that they don't expect
        raise InputError(f"{candidate} can't be built: {error}") from error
    assign(model, arrays, candidate.layout)
    model.facts = facts(file, candidate) | ours.facts(arrays, file.facts) | ({"license": license} if license else {})
    return model


@contextlib.contextmanager
def bounded(title: str, count: int) -> Iterator[None]:
    """Raises InputError, before memory is allocated, if a model has many more weights than a file's `count`.

    A forged file of a few bytes may claim to hold a model of gigabytes. Smaller differences are left to `assign`, which
    lists what is missing. `title` is what the message calls the model.
    """
    from wdsr_tf.models.registry import weights_checked

    left = 2 * count + SLACK

    def check(shape):
        nonlocal left
        left -= math.prod(shape)
        if left < 0:
            raise InputError(f"{title} has many more weights than the file's {count} numbers")

    with weights_checked(check):
        yield


def facts(file: WeightsFile, candidate: Candidate) -> dict[str, str]:
    """Returns where the weights came from, as a checkpoint records it."""
    return {
        "source": file.path.name,
        "sha256": file.sha256,
        "format": file.format,
        "project": candidate.project,
        "layout": f"{candidate.layout.__module__.rpartition('.')[2]}.{candidate.layout.__name__}",
        "converter": f"wdsr_tf {__version__}",
    }
