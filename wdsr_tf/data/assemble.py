"""Puts together what a training run reads."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from wdsr_tf.data import degrade, div2k
from wdsr_tf.data.pairs import cached_hr
from wdsr_tf.data.patches import Stored
from wdsr_tf.data.sampler import MixedSampler, Sampler
from wdsr_tf.data.sources import Arrays, HRImages, Pairs, files
from wdsr_tf.data.variations import NONE, Variations
from wdsr_tf.errors import InputError


def with_arrays(path: Path | str, cache: Path | str, log: Callable = print) -> Path:
    """Converts a plain folder of images to an HR-only dataset; returns any other dataset as it is.

    Args:
        path: a dataset's folder, a patch store, or a plain folder of images.
        cache: folder whose subfolder gets the converted images, once.
        log: is called with a line for each image that can't be used.

    Returns:
        `path`, or the folder of the converted images.
    """
    path = Path(path)
    if not path.is_dir() or div2k.dataset_names(path):
        return path
    found, report = cached_hr(path, cache)
    for _, reason in (*report.failed, *report.left_out):
        log(f"left out: {reason}")
    return found


@dataclasses.dataclass(frozen=True)
class Data:
    """A dataset and how patches are taken from it.

    Args:
        root: a dataset's folder, or a patch store.
        downgrade: how LR images were made, the last part of the LR folder's name.
        recipe: a degradation that makes LR from HR instead, such as "waifu2x-pytorch,level=1"; see `degrade.recipe`.
        lr_patch_size: side of an LR patch in pixels.
        batch_size: number of patches in a batch.
        seed: of the order and the places of patches.
        augment: whether patches are flipped and rotated.
        memory_fraction: images are loaded into memory if they fit in this share of the free memory, 0..1.
        min_bytes: as in `sources.HRImages`.
        active_cropping: as in `sources.HRImages`.
        variations: as in `sources.HRImages`.
        part: (i, n) makes the i-th of n equal parts of each batch, i from 0.
        log: is called with a line about images that are left out.
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
    variations: Variations = NONE
    part: tuple[int, int] = (0, 1)
    log: Callable = print

    def sampler(self, split: str, ids: str | None, scales: Sequence[int]) -> Sampler | MixedSampler:
        """Returns a sampler of random patches.

        Args:
            split: "train" or "valid".
            ids: images, such as "1-800"; None for all.
            scales: upscaling factors; if there are several, each batch has one of them.
        """
        found = self._sources(split, ids and div2k.parse_ids(ids), scales)
        samplers = [Sampler(source, self.batch_size, self.seed, self.augment, self.part) for source in found]
        return MixedSampler(samplers) if len(samplers) > 1 else samplers[0]

    def full_images(self, ids: str | None, scale: int) -> list[div2k.Pair]:
        """Returns the pairs of full validation images, with the dataset's own LR; `ids` as in `sampler`."""
        if self.root.is_file():
            raise InputError(f"{self.root}: a patch store has no full images, which benchmark (--benchmark) needs.")
        return div2k.pairs(self.root, "valid", scale, self.downgrade, ids and div2k.parse_ids(ids))

    def _sources(self, split, ids, scales):
        """The sources of one split's patches, one for each scale."""
        size = self.lr_patch_size
        if self.root.is_file():
            if self.recipe:
                raise InputError(f"{self.root}: a patch store has LR patches already; leave degrade (--degrade) out.")
            return [Stored(self.root, split, scale, size, ids) for scale in scales]
        if self.recipe:
            return self._hr_images(split, ids, scales)
        pairs = [div2k.pairs(self.root, split, scale, self.downgrade, ids) for scale in scales]
        arrays = Arrays([path for some in pairs for path in files(some)], self.memory_fraction)
        return [Pairs(some, scale, size, arrays) for some, scale in zip(pairs, scales, strict=True)]

    def _hr_images(self, split, ids, scales):
        recipes = [degrade.parse(self.recipe, scale) for scale in scales]
        paths = div2k.hr_images(self.root, split, ids)
        options = (self.lr_patch_size, Arrays(paths, self.memory_fraction), self.min_bytes, self.active_cropping)
        found = [HRImages(paths, recipe, *options, self.variations) for recipe in recipes]
        if found[-1].left_out:
            self.log(f"{split}: {len(found[-1].left_out)} of {len(paths)} images left out: too small for a patch")
        return found
