"""The largest batch that fits into memory, found with real training steps."""

import gc
import itertools
import time

import keras
import numpy as np

from wdsr_tf.data import feed
from wdsr_tf.errors import InputError
from wdsr_tf.system import memory
from wdsr_tf.system.memory import peak, reset_peak
from wdsr_tf.training import failures

STEPS = 3  # timed steps, after one that compiles
SPARE = 0.5  # fraction of a host's free memory to leave alone
LONGEST = 10  # seconds: batches whose steps would take longer aren't tried


def largest_batch(make, lr_patch_size, scale, first=1, log=print, free=memory.free):
    """Trains on batches of `first` patches, twice as many, and so on; returns the largest size that fits, or 0.

    On an accelerator, doubles until memory runs out. On a CPU, stops before memory does: the peaks of the sizes
    before tell what the next one would take.

    Args:
        make: Returns a new compiled network.
        lr_patch_size: Side of a patch in LR pixels.
        scale: Upscaling factor.
        first: The smallest batch to try.
        log: Is called with a line for each size.
        free: Returns the bytes of memory that are free.
    """
    host = not keras.distribution.list_devices()[0].startswith("gpu")
    if host and not reset_peak():
        raise InputError("Finding the largest batch needs an accelerator, or Linux to measure a process's memory.")
    log(f"{'batch':>7}  {'images/s':>9}  {'memory' if host else ''}".rstrip())
    largest, peaks = 0, []
    for size in (first * 2**i for i in itertools.count()):
        if host:
            reset_peak()
            coming, left = _coming(peaks) - peak(), (1 - SPARE) * free()
            if coming > left:
                log(f"{size:>7}  would take {coming / 2**30:.1f} GiB more; {left / 2**30:.1f} GiB are available")
                break
        try:
            seconds = _seconds(make(), size, lr_patch_size, scale)
        except Exception as error:
            if not failures.is_out_of_memory(error):
                raise
            log(f"{size:>7}  doesn't fit")
            break
        largest = size
        peaks.append(peak() if host else 0)
        log(f"{size:>7}  {size / seconds:9.1f}  {f'{peaks[-1] / 2**30:.2f} GiB' if host else ''}".rstrip())
        if 2 * seconds > LONGEST:
            log(f"{2 * size:>7}  would take more than {LONGEST} s per step")
            break
        gc.collect()  # models contain reference cycles
    return largest


def cost(model, sampler):
    """Returns the seconds of a training step, and the peak of this process's memory in bytes; 0 if it's unknown.

    Args:
        model: A compiled network, which a few steps train.
        sampler: The sampler of its batches.
    """
    measured = reset_peak()
    return _shortest(model, sampler), peak() if measured else 0


def _seconds(model, size, lr_patch_size, scale):
    """The shortest of a few steps with `size` patches of noise."""
    return _shortest(model, _Noise(size, lr_patch_size, scale))


def _shortest(model, sampler):
    clock = _Clock()
    model.fit(feed.endless(sampler), steps_per_epoch=1 + STEPS, callbacks=[clock], verbose=0, shuffle=False)
    return min(clock.seconds[1:])


def _coming(peaks):
    """The peak of the next batch, twice as large as the last: it grows at most in proportion to the batch."""
    before, last = [0, 0, *peaks][-2:]
    return last + 2 * max(0, last - before) if before else last


class _Clock(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.seconds, self.last = [], time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        float(logs["loss"])  # waits for the device
        now = time.perf_counter()
        self.seconds.append(now - self.last)
        self.last = now


class _Noise:
    """A sampler whose batches are all equal."""

    dtype = "uint8"

    def __init__(self, size, lr_patch_size, scale):
        self.shapes = tuple((size, side, side, 3) for side in (lr_patch_size, lr_patch_size * scale))
        random = np.random.default_rng(0)
        self.pair = tuple(random.integers(0, 256, shape, "uint8") for shape in self.shapes)

    def batch(self, k):
        return self.pair

    def batches(self, k, count):
        return tuple(np.repeat(x[None], count, axis=0) for x in self.pair)
