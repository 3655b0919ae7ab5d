"""Imports an optional package, or says how to install it."""

from wdsr_tf.system import extras, quiet


def require_keras(purpose):
    """Imports Keras and its backend quietly; InputError if they aren't installed. `purpose` starts its message."""
    try:
        quiet.load_keras()
    except ModuleNotFoundError as error:
        raise extras.missing(error.name, "train", purpose) from error
