"""One picture of noise through one engine in a fresh process, for `benchmarks.inference`.

python -m benchmarks.one_picture CHECKPOINT ENGINE PRECISION HEIGHT WIDTH

Prints how many seconds the picture took and the greatest resident size in bytes. An ENGINE that is none of ours is
PyTorch, with the module that lies beside the checkpoint as a .pt file.
"""

import os
import re
import resource
import sys
import time
from pathlib import Path

import numpy as np

from wdsr_tf.inference.engines import PRECISIONS, open_engine


def main(checkpoint, engine, precision, height, width):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if engine in PRECISIONS:
        run = open_engine(checkpoint, engine, precision, allow_loss=True).run
    else:
        from benchmarks import twins

        module = twins.torch.load(Path(checkpoint).with_suffix(".pt"), weights_only=False)
        run = twins.runner(module, channels_last="channels_last" in engine)
    lr = np.random.default_rng(0).integers(0, 256, (1, int(height), int(width), 3), dtype="uint8")
    started = time.perf_counter()
    run(lr)
    print(time.perf_counter() - started, peak())


def peak():
    """The greatest resident size of this process in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux hands the greatest size that getrusage knows on from parents to children
        return 1024 * int(re.search(r"VmHWM:\s*(\d+)", status.read_text())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
