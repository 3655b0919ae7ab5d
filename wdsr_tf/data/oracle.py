"""Oracle sampling: hard patches of an epoch are trained again in the next one, as in nagadomi/waifu2x (`train.lua`).

A patch is known by its number, counted through all batches of a plain `Sampler`: the number determines its image,
place, symmetry, and degradation. Which patches are hard is only known once an epoch has ended, so that batches of the
next one can't be made before.
"""

import functools
from collections.abc import Sequence

import numpy as np

from wdsr_tf.data.sampler import HARD, SLOTS, Sampler, philox


class OracleSampler(Sampler):
    """Batches of one epoch at a time, in which patches of earlier epochs replace some new ones, at random places.

    Args:
        sampler: of the new patches, in whole batches.
        steps: number of batches in an epoch.

    Attributes:
        first: number of the epoch's first batch.
    """

    def __init__(self, sampler: Sampler, steps: int):
        super().__init__(sampler.source, sampler.batch_size, sampler.seed, sampler.augment)
        self.steps = steps
        self.begin(0)

    def begin(self, first: int, carried: Sequence[int] = ()) -> None:
        """Begins the epoch whose first batch is number `first`, with the patches that have the numbers `carried`."""
        size = self.steps * self.batch_size
        slots = first * self.batch_size + drawn(philox(self.seed, SLOTS, first), size, len(carried))
        self.first, self._carried = first, dict(zip(slots.tolist(), carried, strict=False))  # epochs may get shorter

    def numbers(self, k: int) -> list[int]:
        """Returns the number of each patch of batch `k`, one of this epoch, counted through all batches."""
        return [self._carried.get(number, number) for number in super().numbers(k)]

    def choices(self, k: int) -> list[tuple[int, int, int, int, int]]:
        """Returns what `Sampler.choices` does, for the patches with these numbers."""
        batch = functools.cache(super().choices)
        return [batch(number // self.batch_size)[number % self.batch_size] for number in self.numbers(k)]

    def hard(self, errors: np.ndarray, rate: float, drop_rate: float) -> list[int]:
        """Returns the numbers of the epoch's patches that the next epoch should train again.

        Args:
            errors: of each patch of the epoch, in order.
            rate: as in `hard`.
            drop_rate: as in `hard`.
        """
        numbers = [number for k in range(self.first, self.first + self.steps) for number in self.numbers(k)]
        return [numbers[i] for i in hard(errors, rate, drop_rate, philox(self.seed, HARD, self.first))]


def hard(errors: np.ndarray, rate: float, drop_rate: float, random: np.random.Philox) -> list[int]:
    """Returns the indices of some of the largest errors.

    Args:
        errors: those that aren't finite are never chosen.
        rate: share of all to choose.
        drop_rate: share of the candidates, which are the largest errors, to leave out at random.
        random: draws them.
    """
    count = round(rate * len(errors))
    finite = np.isfinite(errors)
    candidates = min(round(count / (1 - drop_rate)), np.count_nonzero(finite))
    hardest = np.argsort(-np.where(finite, errors, -np.inf), kind="stable")[:candidates]
    return hardest[drawn(random, candidates, count)].tolist()


def drawn(random: np.random.Philox, total: int, count: int) -> np.ndarray:
    """Returns `count` of the numbers below `total`, or all of them if they are fewer, in random order."""
    return np.argsort(random.random_raw(total), kind="stable")[:count]
