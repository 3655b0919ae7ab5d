"""An endless sequence of training batches in which batch k is a pure function of (seed, k).

There is no state to save: a run that resumes at step k asks for batch k and sees what it would have seen. The random
numbers are Philox's raw output, counted by k, so that they depend on no version of NumPy's distributions; only sources
that make LR themselves draw from those.
"""

import functools
import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from wdsr_tf.errors import InputError

CHOICES, ORDER, DEGRADATION, SCALES = range(4)  # the streams of random numbers that one seed gives


class Sampler:
    """Batches of random patches from a source: see `wdsr_tf/data/sources.py`.

    Every pass over the source's pictures takes one patch of each, in an order of its own; a batch may end one pass and
    begin the next. (The ancestor put pictures 16j to 16j+15 into one batch in every pass and shuffled the batches, so
    that a picture always met the same fifteen others: gradients of such batches are less independent, and nothing is
    gained.) Patches lie uniformly over all positions; with `augment`, LR and HR are mirrored with probability 0.5 and
    then turned by 0 to 3 quarters together.

    With `part` (i, n) each batch is the i-th of n equal parts of what it is without: n processes share a batch.
    """

    dtype = "uint8"

    def __init__(self, source, batch_size=16, seed=0, augment=True, part=(0, 1)):
        self.source, self.batch_size, self.seed, self.augment = source, batch_size, seed, augment
        i, n = part
        if batch_size % n:
            raise InputError(f"--batch-size {batch_size} cannot be shared evenly by {n}")
        self.own = range(i * batch_size // n, (i + 1) * batch_size // n)

    @property
    def shapes(self):
        """The shapes of one batch: LR, HR."""
        return tuple((len(self.own), *shape) for shape in self.source.shapes)

    def batch(self, k):
        """Batch `k` as uint8 (lr, hr)."""
        lr, hr = self.batches(k, 1)
        return lr[0], hr[0]

    def batches(self, k, count):
        """Batches `k` to `k + count - 1`, stacked along a new first axis."""
        lr, hr = (np.empty((count, *shape), "uint8") for shape in self.shapes)
        choices = [self.choices(k + j) for j in range(count)]
        self.source.expect(itertools.chain(*choices))
        for j in range(count):
            for i, (number, choice) in enumerate(zip(self.own, choices[j], strict=True)):
                make_rng = functools.partial(generator, self.seed, (k + j) * self.batch_size + number)
                _copy(self.source.patch(*choice, make_rng), (lr[j, i], hr[j, i]))
        return lr, hr

    def choices(self, k):
        """What batch `k` is made of: (picture, top, left, flipped, turns) for each patch."""
        n = len(self.source.positions)
        numbers = range(k * self.batch_size, (k + 1) * self.batch_size)
        pictures = [int(order(self.seed, number // n, n)[number % n]) for number in numbers]
        raw = philox(self.seed, CHOICES, k).random_raw(4 * self.batch_size).reshape(-1, 4)
        uniform = (raw >> np.uint64(11)) * 2.0**-53  # in [0, 1)
        ranges = np.empty((self.batch_size, 4))
        ranges[:, :2], ranges[:, 2:] = self.source.positions[pictures], (2, 4) if self.augment else (1, 1)
        chosen = (uniform * ranges).astype(int).tolist()
        return [(pictures[i], *chosen[i]) for i in self.own]


class MixedSampler:
    """Batches each of which is of one scale, drawn evenly: batch k is batch k of one of `samplers`."""

    dtype = "uint8"

    def __init__(self, samplers):
        self.samplers = list(samplers)

    @property
    def shapes(self):
        """The shapes of one batch: LR, HR, whose height and width differ from batch to batch."""
        lr, hr = self.samplers[0].shapes
        return lr, (hr[0], None, None, 3)

    def batch(self, k):
        """Batch `k` as uint8 (lr, hr)."""
        return self._of(k).batch(k)

    def batches(self, k, count):
        """Batch `k` with a new first axis; batches of several scales do not stack, so `count` is 1."""
        return self._of(k).batches(k, count)

    def _of(self, k):
        raw = int(philox(self.samplers[0].seed, SCALES, k).random_raw())
        return self.samplers[raw * len(self.samplers) >> 64]


def read_ahead(sampler, start=0, ahead=4):
    """Yields the sampler's batches from number `start` on, endlessly, while a thread makes the next ones."""
    with ThreadPoolExecutor(1) as thread:
        coming = deque(thread.submit(sampler.batch, k) for k in range(start, start + ahead))
        for k in itertools.count(start + ahead):
            yield coming.popleft().result()
            coming.append(thread.submit(sampler.batch, k))


def generator(seed, number):
    """The random generator of patch `number`, counted through all batches."""
    return np.random.Generator(philox(seed, DEGRADATION, number))


def philox(seed, stream, number):
    """Philox at the beginning of part `number` of one `stream` of `seed`; parts are 2**192 numbers apart."""
    return np.random.Philox(key=np.array([seed % 2**64, stream], "uint64"), counter=[0, 0, 0, number])


@functools.lru_cache(maxsize=8)
def order(seed, epoch, count):
    """The order of `count` pictures in pass `epoch`."""
    return np.argsort(philox(seed, ORDER, epoch).random_raw(count), kind="stable")


def _copy(patches, outs):
    """Copies by channel: a turned patch copied at once has an inner loop 3 long and takes 2.5 times as long."""
    for patch, out in zip(patches, outs, strict=True):
        for channel in range(3):
            out[..., channel] = patch[..., channel]
