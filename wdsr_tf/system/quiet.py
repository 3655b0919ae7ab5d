"""Keras without the greetings of its backend, and OpenVINO without its telemetry."""

import os
import sys
from types import ModuleType

from wdsr_tf.system.extras import missing


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


def load_openvino() -> ModuleType:
    """Imports OpenVINO without the package that reports its imports to its makers.

    Raises:
        InputError: OpenVINO isn't installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise missing("openvino", "openvino", "The engine openvino") from error
    return openvino
