"""What a training reads, put together from plain values."""

import dataclasses
from pathlib import Path

from wdsr_tf.data import degrade, div2k, make_pairs
from wdsr_tf.data.patches import Stored
from wdsr_tf.data.sampler import MixedSampler, Sampler
from wdsr_tf.data.sources import Arrays, Pairs, Pictures, files
from wdsr_tf.errors import InputError


def with_arrays(path, cache, say=print):
    """`path`, or where it is a plain folder of pictures, the folder below `cache` that holds them as arrays."""
    path = Path(path)
    if not path.is_dir() or div2k.dataset_names(path):
        return path
    found, report = make_pairs.cached_hr(path, cache)
    for _, reason in report.failed:
        say(f"left out: {reason}")
    return found


@dataclasses.dataclass(frozen=True)
class Data:
    """A dataset and how patches are taken from it.

    Attributes:
        root: a dataset's folder, or the file of a store of patches.
        downgrade: how its LR pictures were made.
        recipe: makes LR from HR instead, as `degrade.parse` reads it.
        lr_patch_size, batch_size, seed, augment: of the patches.
        memory_fraction: pictures are loaded whole if they fit in this part of the free memory.
        min_bytes, active_cropping: as `sources.Pictures` takes them.
        part: (i, n): only the i-th of n equal parts of each batch is made.
        say: is told of pictures that are left out.
    """

    root: Path
    downgrade: str = "bicubic"
    recipe: str | None = None
    lr_patch_size: int = 48
    batch_size: int = 16
    seed: int = 0
    augment: bool = True
    memory_fraction: float = 0.5
    min_bytes: int = 0
    active_cropping: float = 0.0
    part: tuple = (0, 1)
    say: object = print

    def sampler(self, split, ids, scales):
        """Random patches of one split; with several `scales`, each batch has one of them.

        `ids` is a text such as `1-800`, or None for all.
        """
        found = self._sources(split, ids and div2k.parse_ids(ids), scales)
        samplers = [Sampler(source, self.batch_size, self.seed, self.augment, self.part) for source in found]
        return MixedSampler(samplers) if len(samplers) > 1 else samplers[0]

    def full_images(self, ids, scale):
        """Whole validation pictures, with the LR that the dataset has."""
        if self.root.is_file():
            raise InputError(f"{self.root}: holds patches; --benchmark validates on whole pictures")
        return div2k.pairs(self.root, "valid", scale, self.downgrade, ids and div2k.parse_ids(ids))

    def _sources(self, split, ids, scales):
        """Where the patches of one split come from, at each of `scales`."""
        size = self.lr_patch_size
        if self.root.is_file():
            if self.recipe:
                raise InputError(f"{self.root}: holds LR as well as HR; --degrade is for pictures without LR")
            return [Stored(self.root, split, scale, size, ids) for scale in scales]
        if self.recipe:
            return self._pictures(split, ids, scales)
        pairs = [div2k.pairs(self.root, split, scale, self.downgrade, ids) for scale in scales]
        arrays = Arrays([path for some in pairs for path in files(some)], self.memory_fraction)
        return [Pairs(some, scale, size, arrays) for some, scale in zip(pairs, scales, strict=True)]

    def _pictures(self, split, ids, scales):
        recipes = [degrade.parse(self.recipe, scale) for scale in scales]
        paths = div2k.hr_pictures(self.root, split, ids)
        kind = (self.lr_patch_size, Arrays(paths, self.memory_fraction), self.min_bytes, self.active_cropping)
        found = [Pictures(paths, recipe, *kind) for recipe in recipes]
        if found[-1].left_out:
            self.say(f"{split}: {len(found[-1].left_out)} of {len(paths)} pictures left out: too small for a patch")
        return found
