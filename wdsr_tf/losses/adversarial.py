"""Losses of a discriminator and of the generator that it judges, by name: `get_adversarial_loss("vanilla")`.

r = D(HR) and f = D(SR) are logits of any shape; means are over the whole batch; bce(z, t) = mean(softplus(z) - t z).

    name                 discriminator: HR        and SR                  generator
    vanilla              bce(r, 1)                bce(f, 0)               bce(f, 1)
    lsgan                mean (r - 1)^2           mean f^2                mean (f - 1)^2
    wgan                 -mean r                  mean f                  -mean f
    wgan-softplus        mean softplus(-r)        mean softplus(f)        mean softplus(-f)
    hinge                mean relu(1 - r)         mean relu(1 + f)        -mean f
    relativistic         bce(r - mean f, 1) / 2   bce(f - mean r, 0) / 2  (bce(r - mean f, 0) + bce(f - mean r, 1)) / 2
    relativistic-lsgan   the same with squared errors in place of bce

As in BasicSR, no gradient flows through the means of the relativistic discriminator's terms; the generator's step
holds r fixed, but not mean f. SRGAN and Real-ESRGAN use vanilla, ESRGAN relativistic, BSRGAN lsgan. Everything is
float32.
"""

import dataclasses
from collections.abc import Callable

from keras import ops

from wdsr_tf.errors import check_choice


def get_adversarial_loss(name: str) -> "Absolute | Relativistic":
    """Returns the adversarial loss of this name.

    Raises:
        InputError: There is no adversarial loss of this name.
    """
    return _LOSSES[check_choice("adversarial loss", name, _LOSSES)]


@dataclasses.dataclass(frozen=True)
class Absolute:
    """A loss that judges each image for itself; the three functions take logits."""

    real_loss: Callable
    fake_loss: Callable
    generator_loss: Callable

    uses_real = False

    def discriminator_terms(self, real, fake):
        """Returns what `discriminator` adds up: the terms of HR and of SR."""
        return self.real_loss(_float32(real)), self.fake_loss(_float32(fake))

    def discriminator(self, real, fake):
        """Returns the loss of a discriminator with the logits `real` for HR and `fake` for SR, as a float32 scalar."""
        return sum(self.discriminator_terms(real, fake))

    def generator(self, real, fake):
        """Returns the loss of the generator, without a weight, as a float32 scalar; `real` isn't used."""
        return self.generator_loss(_float32(fake))


@dataclasses.dataclass(frozen=True)
class Relativistic:
    """A relativistic average loss: how much more real HR looks than the average SR, and the other way around.

    Jolicoeur-Martineau, ICLR 2019, https://arxiv.org/abs/1807.00734. `criterion(logits, target)` is the loss of a term.
    """

    criterion: Callable

    uses_real = True

    def discriminator_terms(self, real, fake):
        """Returns what `discriminator` adds up: half the term of HR and half that of SR."""
        real, fake = _float32(real), _float32(fake)
        of_real = self.criterion(real - ops.stop_gradient(ops.mean(fake)), 1.0)
        of_fake = self.criterion(fake - ops.stop_gradient(ops.mean(real)), 0.0)
        return of_real / 2, of_fake / 2

    def discriminator(self, real, fake):
        """Returns the loss of a discriminator with the logits `real` for HR and `fake` for SR, as a float32 scalar."""
        return sum(self.discriminator_terms(real, fake))

    def generator(self, real, fake):
        """Returns the loss of the generator, without a weight, as a float32 scalar; no gradient flows to `real`."""
        real, fake = ops.stop_gradient(_float32(real)), _float32(fake)
        of_real = self.criterion(real - ops.mean(fake), 0.0)
        of_fake = self.criterion(fake - ops.mean(real), 1.0)
        return (of_real + of_fake) / 2


def _cross_entropy(logits, target):
    return ops.mean(ops.softplus(logits) - target * logits)


def _squared_error(logits, target):
    return ops.mean(ops.square(logits - target))


def _absolute(criterion):
    """A loss with the targets 1 for HR and 0 for SR."""
    return Absolute(
        lambda real: criterion(real, 1.0), lambda fake: criterion(fake, 0.0), lambda fake: criterion(fake, 1.0)
    )


def _float32(logits):
    return ops.cast(logits, "float32")


_LOSSES = {
    "vanilla": _absolute(_cross_entropy),
    "lsgan": _absolute(_squared_error),
    "wgan": Absolute(lambda real: -ops.mean(real), ops.mean, lambda fake: -ops.mean(fake)),
    "wgan-softplus": Absolute(
        lambda real: ops.mean(ops.softplus(-real)),
        lambda fake: ops.mean(ops.softplus(fake)),
        lambda fake: ops.mean(ops.softplus(-fake)),
    ),
    "hinge": Absolute(
        lambda real: ops.mean(ops.relu(1 - real)),
        lambda fake: ops.mean(ops.relu(1 + fake)),
        lambda fake: -ops.mean(fake),
    ),
    "relativistic": Relativistic(_cross_entropy),
    "relativistic-lsgan": Relativistic(_squared_error),
}
ADVERSARIAL_LOSSES = tuple(_LOSSES)
