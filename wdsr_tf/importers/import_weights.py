"""A published weight file -> a network with its weights, which knows where they came from."""

from wdsr_tf import __version__
from wdsr_tf.errors import InputError
from wdsr_tf.importers import ours
from wdsr_tf.importers.recognise import renamed
from wdsr_tf.importers.tensors import Tensors, land


def import_weights(source, candidate, licence=None):
    """The network of `candidate`, one with a scale, with all arrays of the `formats.Source`; InputError if any is left.

    Its facts are where the weights came from; a network of ours keeps its own, which may name an earlier source.
    """
    from wdsr_tf.models import create_model

    arrays = renamed(source.arrays)
    try:
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
    model.facts = facts(source, candidate) | ours.facts(arrays) | ({"licence": licence} if licence else {})
    return model


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
