"""An endless sequence of training batches in which batch k is a pure function of (seed, k).

There is no state to save: a run that resumes at step k asks for batch k and gets what it would have got. The random
numbers are Philox's raw output, counted by k, so they don't depend on the version of NumPy's distributions. Only
sources that make LR on the fly use those. `wdsr_tf/data/oracle.py` has the one sampler that depends on the training.
"""

import functools
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from wdsr_tf.errors import InputError

CHOICES, ORDER, DEGRADATION, SCALES, HARD, SLOTS = range(6)  # streams of random numbers of one seed


class Sampler:
    """Batches of random patches from a source; see `wdsr_tf/data/sources.py`.

    Every pass over the images takes one patch of each, in a new order; a batch may end one pass and begin the next.
    (krasserm/wdsr puts images 16j to 16j + 15 into one batch in every pass and shuffles the batches. The same sixteen
    images always meet, which makes gradients less independent and gains nothing.) Patches are uniformly distributed
    over all positions.

    Args:
        source: of patches.
        batch_size: number of patches.
        seed: of all choices.
        augment: whether LR and HR are flipped with probability 0.5 and then rotated by 0, 90, 180 or 270 degrees.
        part: (i, n) makes the i-th of n equal parts of each batch, so that n processes share it; i from 0.
    """

    dtype = "uint8"

    def __init__(
        self, source, batch_size: int = 16, seed: int = 0, augment: bool = True, part: tuple[int, int] = (0, 1)
    ):
        self.source, self.batch_size, self.seed, self.augment = source, batch_size, seed, augment
        i, n = part
        if batch_size % n:
            raise InputError(f"A batch of {batch_size} patches can't be divided evenly among {n} processes.")
        self.own = range(i * batch_size // n, (i + 1) * batch_size // n)

    def whole(self) -> "Sampler":
        """Returns the sampler of whole batches, of which this one makes a part."""
        return Sampler(self.source, self.batch_size, self.seed, self.augment)

    @property
    def shapes(self):
        """The shapes of one batch (LR, HR)."""
        return tuple((len(self.own), *shape) for shape in self.source.shapes)

    def batch(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns batch `k` as uint8 (lr, hr), each NHWC."""
        lr, hr = self.batches(k, 1)
        return lr[0], hr[0]

    def batches(self, k: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns batches `k` to `k + count - 1`, stacked along a new first axis."""
        lr, hr = (np.empty((count, *shape), "uint8") for shape in self.shapes)
        choices = [self.choices(k + j) for j in range(count)]
        self.source.expect(itertools.chain(*choices))
        for j in range(count):
            for i, (number, choice) in enumerate(zip(self.numbers(k + j), choices[j], strict=True)):
                make_rng = functools.partial(generator, self.seed, number)
                _copy(self.source.patch(*choice, make_rng), (lr[j, i], hr[j, i]))
        return lr, hr

    def numbers(self, k: int) -> list[int]:
        """Returns the number of each patch of batch `k`, counted through all batches."""
        return [k * self.batch_size + i for i in self.own]

    def choices(self, k: int) -> list[tuple[int, int, int, int, int]]:
        """Returns (index of the image, top, left, flipped, turns) for each patch of batch `k`."""
        n = len(self.source.positions)
        numbers = range(k * self.batch_size, (k + 1) * self.batch_size)
        indices = [int(order(self.seed, number // n, n)[number % n]) for number in numbers]
        raw = philox(self.seed, CHOICES, k).random_raw(4 * self.batch_size).reshape(-1, 4)
        uniform = (raw >> np.uint64(11)) * 2.0**-53  # in [0, 1)
        ranges = np.empty((self.batch_size, 4))
        ranges[:, :2], ranges[:, 2:] = self.source.positions[indices], (2, 4) if self.augment else (1, 1)
        chosen = (uniform * ranges).astype(int).tolist()
        return [(indices[i], *chosen[i]) for i in self.own]


class MixedSampler:
    """Batches of several scales, each of one scale, drawn evenly: batch k is batch k of one of `samplers`."""

    dtype = "uint8"

    def __init__(self, samplers: Sequence[Sampler]):
        self.samplers = list(samplers)

    @property
    def shapes(self):
        """The shapes of one batch (LR, HR); HR's height and width depend on the batch."""
        lr, hr = self.samplers[0].shapes
        return lr, (hr[0], None, None, 3)

    def batch(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns batch `k` as uint8 (lr, hr), each NHWC."""
        return self._of(k).batch(k)

    def batches(self, k: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns batch `k` with a new first axis; `count` must be 1, because batches of several scales don't stack."""
        return self._of(k).batches(k, count)

    def _of(self, k):
        raw = int(philox(self.samplers[0].seed, SCALES, k).random_raw())
        return self.samplers[raw * len(self.samplers) >> 64]


def read_ahead(sampler, start: int = 0, ahead: int = 4) -> Iterator:
    """Yields batches `start`, `start + 1`, ... endlessly, while a thread makes the next `ahead` ones."""
    with ThreadPoolExecutor(1) as thread:
        coming = deque(thread.submit(sampler.batch, k) for k in range(start, start + ahead))
        for k in itertools.count(start + ahead):
            yield coming.popleft().result()
            coming.append(thread.submit(sampler.batch, k))


def generator(seed: int, number: int) -> np.random.Generator:
    """Returns the random generator of patch `number`, counted through all batches."""
    return np.random.Generator(philox(seed, DEGRADATION, number))


def philox(seed: int, stream: int, number: int) -> np.random.Philox:
    """Returns Philox at the start of part `number` of a `stream`; parts are 2**192 numbers apart."""
    return np.random.Philox(key=np.array([seed % 2**64, stream], "uint64"), counter=[0, 0, 0, number])


@functools.lru_cache(maxsize=8)
def order(seed: int, epoch: int, count: int) -> np.ndarray:
    """Returns the order of `count` images in pass `epoch`."""
    return np.argsort(philox(seed, ORDER, epoch).random_raw(count), kind="stable")


def _copy(patches, outs):
    """Copies channel by channel: at once, a rotated patch takes 2.5 times as long, with an inner loop of length 3."""
    for patch, out in zip(patches, outs, strict=True):
        for channel in range(3):
            out[..., channel] = patch[..., channel]
