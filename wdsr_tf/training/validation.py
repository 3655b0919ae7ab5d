"""What an epoch is validated on: full-size images, or fixed crops of them.

The mean PSNR of crops differs from that of full-size images by decibels, because flat crops outweigh the others. Full
images are measured as `bench.py` measures them; so the figure in a checkpoint's name is the one that `bench.py` prints.
"""

import dataclasses
import math

import keras
import numpy as np

from wdsr_tf.data import feed
from wdsr_tf.data.variations import NONE
from wdsr_tf.evaluation.datasets import ImagePairs
from wdsr_tf.evaluation.measure import PSNR_LIMIT, decoded
from wdsr_tf.evaluation.metrics import PROTOCOLS
from wdsr_tf.inference import strips
from wdsr_tf.inference.engines.keras import of_model
from wdsr_tf.models import create_model

FULL, CROPS = "full-images", "crops"
PROTOCOL = PROTOCOLS["krasserm"]
LARGEST = 0.05  # share of an epoch that validation takes by default
STEP = 3  # times what a pixel takes in validation, it takes in a training step: forward, and twice that backward
MEMORY = "1GiB"  # for tiles, if several processes must choose the same


class FullImages:
    """Full-size images, tiled if need be, in float32: the krasserm protocol.

    Args:
        pairs: The images.
        memory: Limit for tiles, as in `strips`. Default: what is free decides.
    """

    kind = FULL

    def __init__(self, pairs: ImagePairs, memory: str | None = None):
        self.pairs = pairs
        self.memory = memory
        self._copy = self._engine = None

    def __str__(self):
        return f"{len(self.pairs.pairs)} full-size images; {PROTOCOL.description}; bench.py's protocol {PROTOCOL.name}"

    def __iter__(self):
        """Yields each pair as a batch (lr, hr)."""
        for _, lr, hr in decoded(self.pairs):
            yield lr[None], hr[None]

    def measure(self, model) -> dict[str, float]:
        """Returns the means of loss and psnr over the images; NaN if the network's output isn't finite."""
        engine, loss = self._running(model), keras.losses.get(model.loss)
        each = getattr(loss, "call", loss)  # the loss of each image, which Keras doesn't divide among devices
        losses, psnrs = [], []
        for _, lr, hr in decoded(self.pairs):
            try:
                sr = strips.upscale(engine, lr, self.memory)
            except strips.NotFiniteError:
                return {"loss": math.nan, "psnr": math.nan}
            losses.append(float(keras.ops.mean(each(hr[None].astype("float32"), sr[None]))))
            psnrs.append(min(PROTOCOL.psnr(sr, hr, self.pairs.scale), PSNR_LIMIT))
        return {"loss": float(np.mean(losses)), "psnr": float(np.mean(psnrs))}

    def _running(self, model):
        """An engine with the weights of `model`: of itself, or of a copy in float32 if it's trained in half."""
        if model.dtype_policy.name == "float32":
            self._engine = self._engine or of_model(model)
            return self._engine
        if self._copy is None:
            before = keras.config.dtype_policy()
            keras.config.set_dtype_policy("float32")
            try:
                self._copy = create_model(**model.recipe)
            finally:
                keras.config.set_dtype_policy(before)
            self._engine = of_model(self._copy)
        self._copy.set_weights(model.get_weights())
        return self._engine


class Crops:
    """Batches of crops, equal in every epoch; their PSNR is that of `metrics.PSNR`.

    Args:
        batches: Finite iterable of (lr, hr) that can be read repeatedly; with several processes, this one's part.
        described: What they are, in words.
        whole: The batches with the parts of all processes. Default: `batches`.
    """

    kind = CROPS

    def __init__(self, batches, described: str = "crops", whole=None):
        self.batches = batches
        self.described = described
        self.whole = batches if whole is None else whole

    def __str__(self):
        return f"{self.described}; {PROTOCOL.description}"

    def __iter__(self):
        return iter(self.whole)

    def measure(self, model) -> dict[str, float]:
        """Returns the means of loss and psnr over the crops."""
        found = model.evaluate(self.batches, verbose=0, return_dict=True)
        return {name: float(found[name]) for name in ("loss", "psnr")}


def choose(config, data, recorded: str | None, log) -> FullImages | Crops:
    """Returns what to validate on: what `config` says, or else what the run to resume records, or else what fits.

    Full-size images fit if they take at most LARGEST of an epoch. That is estimated from numbers of pixels and not
    measured, because equal configs must give equal runs.

    Args:
        config: The TrainingConfig.
        data: The `assemble.Data`.
        recorded: `kind` of an earlier part of the run, if any.
        log: Is called with a line if images take too long.
    """
    wanted = FULL if config.benchmark else config.validation or recorded
    if wanted is None and not offers_full_images(config):
        wanted = CROPS
    if wanted != CROPS:
        pairs = ImagePairs(data.full_images(config.validation_images, config.scale), config.scale, {})
        share = _share(pairs, config)
        if wanted == FULL or share <= LARGEST:
            return FullImages(pairs, MEMORY if config.num_processes > 1 else None)
        log(
            f"Full-size validation images would take about {share:.0%} of an epoch, more than {LARGEST:.0%}, so crops "
            f"of them are used. To use the images: validation={FULL}, or fewer validation_images."
        )
    return _crops(config, data)


def offers_full_images(config) -> bool:
    """Whether there are full-size images with the LR that is trained on, and nobody asks for a number of crops."""
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    made = config.degrade or config.is_store
    return not made and config.validation_steps == defaults["validation_steps"]


def _crops(config, data):
    """Crops that depend on the images alone: not on the run's seed."""
    fixed = dataclasses.replace(data, seed=0, augment=False, variations=NONE)
    sampler = fixed.sampler("valid", config.validation_images, [config.scale])
    count, side = config.validation_steps * config.batch_size, config.lr_patch_size * config.scale
    described = f"{count} crops of {side} x {side} HR pixels, the same in each epoch and run"
    whole = feed.Batches(sampler.whole().batch, config.validation_steps)
    return Crops(feed.first(sampler, config.validation_steps), described, whole)


def _share(pairs, config):
    """About how much of an epoch's time validation takes."""
    images = sum(math.prod(pairs.lr_size(pair)) for pair in pairs.pairs)
    copies = 1 if config.precision == "float32" else 2  # half precision is trained in, and float32 validated in
    return copies * images / (STEP * config.steps_per_epoch * config.batch_size * config.lr_patch_size**2)


class Validate(keras.callbacks.Callback):
    """Adds the figures of `validation` to each epoch's. Must come before the callbacks that use them."""

    def __init__(self, validation):
        super().__init__()
        self.validation = validation

    def on_epoch_end(self, epoch, logs=None):
        logs |= {f"val_{name}": value for name, value in self.validation.measure(self.model).items()}
