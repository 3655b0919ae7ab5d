"""Imports of libraries without the greetings that they print on stderr."""

import contextlib
import os
import sys

from wdsr_tf.system import cores


@contextlib.contextmanager
def silenced():
    """Discards what native code writes to stderr meanwhile. An exception is still an exception."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # stderr is closed: nothing to hold back
        yield
        return
    try:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 2)
        os.close(silence)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def load_keras():
    """Imports Keras and its backend."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's own lines, then and later
    if count := cores.limit():  # TensorFlow ignores the quota of a container
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(count))
        os.environ.setdefault("TF_NUM_INTEROP_THREADS", str(count))
    with silenced():
        import keras  # noqa: F401
