"""Keras without the greetings of its backend."""

import os
import sys


def load_keras():
    """Imports Keras and its backend, holding back the greetings that their libraries print on stderr."""
    sys.stderr.flush()
    kept = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silence, 2)
        import keras  # noqa: F401  (an error in it is an exception, and seen)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silence)
