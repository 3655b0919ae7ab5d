"""Runs one image of noise through one engine in a fresh process, for `benchmarks.inference`.

    python -m benchmarks.one_image CHECKPOINT ENGINE PRECISION HEIGHT WIDTH

Prints the seconds that the image took and the greatest resident size in bytes. Any other ENGINE than ours is PyTorch,
with the module in the .pt file next to the checkpoint.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.measuring import peak_memory
from wdsr_tf.inference.engines import PRECISIONS, open_engine


def main(checkpoint, engine, precision, height, width):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if engine in PRECISIONS:
        upscale = open_engine(checkpoint, engine, precision, allow_loss=True).run
    else:
        from benchmarks import pytorch

        module = pytorch.torch.load(Path(checkpoint).with_suffix(".pt"), weights_only=False)
        words = {"channels_last": "channels_last", "autocast": "bfloat16", "compiled": "compiled"}
        upscale = pytorch.runner(module, **{option: word in engine for word, option in words.items()})
    lr = np.random.default_rng(0).integers(0, 256, (1, int(height), int(width), 3), dtype="uint8")
    started = time.perf_counter()
    upscale(lr)
    print(time.perf_counter() - started, peak_memory())


if __name__ == "__main__":
    main(*sys.argv[1:])
