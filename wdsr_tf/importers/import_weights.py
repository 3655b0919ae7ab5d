"""A published weight file -> a network with its weights, which knows where they came from."""

import contextlib
import math

import numpy as np

from wdsr_tf import __version__
from wdsr_tf.errors import InputError
from wdsr_tf.importers import ours
from wdsr_tf.importers.recognize import renamed
from wdsr_tf.importers.tensors import Tensors, land

SLACK = 10**6  # weights


def import_weights(source, candidate, license=None):
    """The network of `candidate`, one with a scale, with all arrays of the `formats.Source`; InputError if any is left.

    Its facts are where the weights came from; a network of ours keeps its own, which may name an earlier source.
    """
    from wdsr_tf.models import create_model

    arrays = renamed(source.arrays)
    try:
        with _bounded(candidate, sum(np.size(array) for array in arrays.values())):
            model = create_model(candidate.name, candidate.scale, **candidate.hyperparameters)
    except InputError:
        raise
    except Exception as error:  # a hyperparameter of another kind, on which builders and Keras fail as they may
        raise InputError(f"{candidate} cannot be built: {error}") from error
    tensors = Tensors(arrays)
    try:
        weights = candidate.layout(tensors, model)
    except InputError:
        raise
    except (IndexError, ValueError) as error:  # NumPy, about an array of another rank or size
        raise InputError(f"these weights do not fit {candidate}: {error}") from error
    land(model, tensors, weights)
    model.facts = facts(source, candidate) | ours.facts(arrays) | ({"license": license} if license else {})
    return model


@contextlib.contextmanager
def _bounded(candidate, count):
    """Building ends in InputError, before memory is taken, where a network has many more weights than a file's `count`.

    A forged file may say that its few bytes are a network of gigabytes. What is a little short is left to `land`, which
    lists what is missing.
    """
    import keras

    add_weight = keras.layers.Layer.add_weight
    left = 2 * count + SLACK

    def counted(layer, shape=None, *arguments, **named):
        nonlocal left
        left -= math.prod(shape or ())
        if left < 0:
            raise InputError(f"{candidate} has many more weights than the {count} numbers of the file")
        return add_weight(layer, shape, *arguments, **named)

    keras.layers.Layer.add_weight = counted
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = add_weight


def facts(source, candidate):
    """Where weights came from, as a checkpoint keeps it: plain text by name."""
    return {
        "source": source.path.name,
        "sha256": source.sha256,
        "format": source.format,
        "project": candidate.project,
        "layout": f"{candidate.layout.__module__.rpartition('.')[2]}.{candidate.layout.__name__}",
        "converter": f"wdsr_tf {__version__}",
    }
