"""Whether adversarial training restores the spectrum of a texture, and how two layers of spectral normalization learn.

python -m benchmarks.texture --seeds 5 --precisions mixed_bfloat16,float32

Everything is equal for all contestants: first weights, data, steps, rates. Keras's layer replaces ours in the U-Net.
"""

import contextlib
import dataclasses
import statistics
import sys
import unittest.mock

import numpy as np

from benchmarks import measuring
from wdsr_tf.commands.command import Command
from wdsr_tf.system.quiet import load_keras

SCALE, SIDE, PATCH, BATCH = 2, 64, 16, 8  # SIDE of a texture and PATCH, of what is trained on, in HR pixels
L1, OURS, KERAS = "L1 alone", "wdsr_tf's layer", "Keras's layer"
FILTERS = 8  # of the discriminator's first layer
CHECKS = 3  # of the spectrum in the second half of a training: adversarial training wavers


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of one training, equal for all contestants.

    Args:
        precision: the dtype policy.
        warmup: steps by L1 at first, at the rate 1e-3.
        steps: steps that follow, by L1 alone or with a discriminator.
        rate: learning rate of these.
        discriminator_rate: the discriminator's.
        pixel: weight of L1 beside the adversarial loss, whose weight is 1.
    """

    precision: str = "mixed_bfloat16"
    warmup: int = 400
    steps: int = 300
    rate: float = 3e-4
    discriminator_rate: float = 1e-3
    pixel: float = 0.1


def textures(count, seed):
    """`count` images (lr, hr) of gray noise with the spectrum 1/f, in 0..255."""
    from wdsr_tf.images.resize import imresize

    spectrum = np.fft.rfft2(np.random.default_rng(seed).standard_normal((count, SIDE, SIDE)))
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE))
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(spectrum / frequency, (SIDE, SIDE))
    hr = 128 + 40 * field / field.std(axis=(1, 2), keepdims=True)
    hr = np.clip(np.rint(hr), 0, 255).astype("uint8")
    lr = imresize(np.moveaxis(hr, 0, 2), 1 / SCALE)
    return tuple(np.repeat(x[..., None], 3, axis=3) for x in (np.moveaxis(lr, 2, 0), hr))


def patches(count, seed):
    """`count` patches (lr, hr) of such images."""

    def cut(images, side):
        rows = images.shape[1] // side
        return images.reshape(-1, rows, side, rows, side, 3).swapaxes(2, 3).reshape(-1, side, side, 3)[:count]

    lr, hr = textures(-(-count * PATCH**2 // SIDE**2), seed)
    return cut(lr, PATCH // SCALE), cut(hr, PATCH)


def power(images):
    """The mean power of images at each whole frequency, in cycles per image, that LR doesn't have."""
    gray = np.asarray(images, "float64").mean(axis=3)
    window = np.hanning(SIDE + 2)[1:-1]
    found = np.square(np.abs(np.fft.fft2((gray - gray.mean(axis=(1, 2), keepdims=True)) * np.outer(window, window))))
    frequency = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(SIDE, 1 / SIDE)]))
    rings = range(SIDE // (2 * SCALE) + 1, SIDE // 2)
    return np.array([found.mean(axis=0)[np.rint(frequency) == ring].mean() for ring in rings])


def distance(sr, hr):
    """By how many dB the spectrum of SR differs from that of HR above LR's highest frequency, on average."""
    return float(np.abs(10 * np.log10(power(sr) / power(hr))).mean())


@contextlib.contextmanager
def spectral_norm_of_keras():
    """Makes new discriminators use Keras's layer."""
    from keras import layers

    from wdsr_tf.models.discriminators import unet

    def replaced(filters, kernel_size, strides=1, padding="same", name=None, **more):
        return layers.SpectralNormalization(layers.Conv2D(filters, kernel_size, strides, padding, **more), name=name)

    with unittest.mock.patch.object(unet, "SpectralNormConv2D", replaced):
        yield


def make_discriminator(kind):
    """The U-Net with fresh weights; its first weights depend on Keras's seed alone, not on `kind`."""
    import keras

    from wdsr_tf.models.discriminators import create_discriminator

    ours = create_discriminator("unet-sn", num_filters=FILTERS)
    if kind == OURS:
        return ours
    with spectral_norm_of_keras():
        discriminator = create_discriminator("unet-sn", num_filters=FILTERS)
    for layer in ours.layers:
        other = discriminator.get_layer(layer.name)
        if isinstance(other, keras.layers.SpectralNormalization):
            kernel, u, _ = layer.get_weights()
            other.layer.kernel.assign(kernel)
            other.vector_u.assign(u[None])
        else:
            other.set_weights(layer.get_weights())
    return discriminator


class Contestant:
    """A network that trains by L1, with a discriminator of ours or of Keras's layers, or without; compiled once."""

    def __init__(self, kind, settings, rate=None):
        from wdsr_tf import losses
        from wdsr_tf.training import adversarial, trainer
        from wdsr_tf.training.optimizers import create_optimizer

        self.kind, self.model, self.discriminator = kind, make_network(), None
        optimizer = create_optimizer("adam", rate or settings.rate)
        if kind == L1:
            trainer.compile_model(self.model, optimizer, losses.get_loss("mae"))
            self.optimizers = optimizer.variables
        else:
            self.discriminator = make_discriminator(kind)
            not_finite = trainer.compile_model(self.model, adversarial.guarded(optimizer), losses.get_loss("mae"))
            objective = adversarial.Objective(
                pixel_weight=settings.pixel,
                pixel_unit=1 / 255,
                adversarial=losses.get_adversarial_loss("vanilla"),
                adversarial_weight=1.0,
            )
            own = adversarial.guarded(create_optimizer("adam", settings.discriminator_rate))
            adversarial.attach(self.model, not_finite, objective, self.discriminator, own)
            self.optimizers = [*self.model.optimizer.variables, *own.variables]
        self.fresh = [np.array(each.numpy()) for each in self.optimizers]

    def begin(self, seed, weights=None):
        """Starts anew with the first weights of `seed`, or with `weights` in the network."""
        import keras

        for variable, value in zip(self.optimizers, self.fresh, strict=True):
            variable.assign(value)
        keras.utils.set_random_seed(seed)
        self.model.set_weights(make_network().get_weights() if weights is None else weights)
        if self.discriminator:
            self.discriminator.set_weights(make_discriminator(self.kind).get_weights())

    def train(self, steps, seed):
        lr, hr = patches(steps * BATCH, seed)
        self.model.fit(lr, hr, batch_size=BATCH, shuffle=False, verbose=0)

    def distance(self):
        lr, hr = textures(32, 10**6)
        return distance(self.model.predict(lr, batch_size=16, verbose=0), hr)


def make_network():
    """The generator, with fresh weights."""
    from wdsr_tf.models import create_model

    return create_model("edsr", SCALE, num_filters=16, num_res_blocks=1)


def contest(settings, seeds, kinds=(L1, OURS, KERAS)):
    """Returns {kind: distances in dB, one per seed, each the mean of CHECKS in the second half of the training}."""
    from wdsr_tf.inference.engines.keras import dtype_policy

    found = {kind: [] for kind in kinds}
    with dtype_policy(settings.precision):
        beginner = Contestant(L1, settings, rate=1e-3)
        contestants = [Contestant(kind, settings) for kind in kinds]
        for seed in seeds:
            beginner.begin(seed)
            beginner.train(settings.warmup, 2 * seed)
            for each in contestants:
                each.begin(seed, beginner.model.get_weights())
                each.train(settings.steps // 2, 2 * seed + 1)
                checks = []
                for i in range(CHECKS):
                    each.train(settings.steps // 2 // CHECKS, 10**5 + 10 * seed + i)
                    checks.append(each.distance())
                found[each.kind].append(statistics.mean(checks))
    return found


def bicubic(count, seed):
    """`count` patches (hr, what bicubic makes of its LR), in 0..255."""
    from wdsr_tf.images.resize import imresize

    lr, hr = patches(count, seed)
    gray = np.moveaxis(lr[..., 0], 0, 2).astype("float32")
    sr = np.moveaxis(imresize(gray, SCALE), 2, 0)[..., None]
    return hr.astype("float32"), np.repeat(sr, 3, axis=3)


def learned(kind, name, steps, seed, rate=1e-4):
    """The mean loss of a discriminator in the last fifth of `steps` that train it to tell HR from bicubic's SR.

    At 2 ln 2, 1.386, it has learned nothing.

    Args:
        kind: OURS or KERAS.
        name: the precision.
        steps: number of training steps.
        seed: of the first weights and of the data.
        rate: Adam's; by default the published one.
    """
    import keras
    import tensorflow as tf

    from wdsr_tf import losses
    from wdsr_tf.inference.engines.keras import dtype_policy
    from wdsr_tf.training.optimizers import create_optimizer

    judged = losses.get_adversarial_loss("vanilla")
    hr, sr = bicubic(steps * BATCH, seed)
    with dtype_policy(name):
        keras.utils.set_random_seed(seed)
        discriminator, optimizer = make_discriminator(kind), create_optimizer("adam", rate)
        trained = discriminator.trainable_variables
        optimizer.build(trained)

        @tf.function(autograph=False)
        def step(hr, sr):
            with tf.GradientTape() as tape:
                loss = judged.discriminator(discriminator(hr, training=True), discriminator(sr, training=True))
            optimizer.apply(tape.gradient(loss, [variable.value for variable in trained]), trained)
            return loss

        batches = (slice(i * BATCH, (i + 1) * BATCH) for i in range(steps))
        found = [float(step(hr[part], sr[part])) for part in batches]
    return statistics.mean(found[-(steps // 5) :])


def define(flags):
    flags.integer("seeds", 5, "Seeds of the first weights and of the data.", minimum=1)
    flags.list("precisions", ["mixed_bfloat16", "float32"], "Precisions to train in.")
    flags.integer("steps", Settings.steps, "Steps of adversarial training.", minimum=2 * CHECKS)
    flags.list("rates", [str(Settings.discriminator_rate)], "Learning rates of the discriminator beside the network.")
    flags.integer("discriminator_steps", 300, "Steps of the discriminator alone, at the rate 1e-4.", minimum=5)


def run(flags, _words):
    load_keras()
    default = Settings()
    measuring.protocol(
        f"EDSR x{SCALE} with 16 filters and one block, U-Net of {FILTERS} filters, batches of {BATCH} HR patches of "
        f"{PATCH} x {PATCH}, noise with the spectrum 1/f; Adam; {default.warmup} steps by L1, then {flags.steps} by L1 "
        f"alone, or by vanilla GAN + {default.pixel} L1, at {default.rate:g}. Spectrum: mean distance to HR's in dB "
        f"above LR's highest frequency, mean of {CHECKS} checks in the second half. Discriminator alone: its loss "
        f"after {flags.discriminator_steps} steps at 1e-4 against bicubic; 1.386 is chance. Median (range) "
        f"of {flags.seeds} seeds."
    )
    seeds = range(flags.seeds)
    print()
    measuring.print_header("precision", "discriminator's rate", *(f"spectrum, {kind}" for kind in (L1, OURS, KERAS)))
    for name in flags.precisions:
        for rate in flags.rates:
            settings = Settings(precision=name, steps=flags.steps, discriminator_rate=float(rate))
            measuring.print_row(name, rate, *map(_span, contest(settings, seeds).values()))
    print()
    measuring.print_header("precision", *(f"loss of the discriminator alone, {kind}" for kind in (OURS, KERAS)))
    for name in flags.precisions:
        found = [[learned(kind, name, flags.discriminator_steps, seed) for seed in seeds] for kind in (OURS, KERAS)]
        measuring.print_row(name, *map(_span, found))


def _span(figures):
    return measuring.span(statistics.median(figures), min(figures), max(figures))


COMMAND = Command("texture", "Measures what spectral normalization does for adversarial training.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.texture"))
