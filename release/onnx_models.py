"""Writes the bundled models as ONNX beside their checkpoints: python -m release.onnx_models [CHECKPOINT ...]

`wdsr-tf upscale` then needs neither Keras nor TensorFlow for them.
"""

import sys
from pathlib import Path

from wdsr_tf import weights
from wdsr_tf.files import atomic
from wdsr_tf.inference.engines.cache import write_onnx


def write(checkpoint):
    """Writes NAME.onnx, float32, beside the checkpoint NAME.keras; its metadata names the checkpoint's SHA-256."""
    with atomic(checkpoint.with_suffix(".onnx")) as temporary:
        write_onnx(checkpoint, temporary)


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]) if sys.argv[1:] else sorted(weights.FOLDER.glob("*.keras")):
        write(path)
        print(path.with_suffix(".onnx"))
