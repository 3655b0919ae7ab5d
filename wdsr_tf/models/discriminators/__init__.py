"""All discriminators by name: `create_discriminator("unet-sn", num_filters=64)`."""

from wdsr_tf.models.discriminators import patchgan, srgan, unet, vgg  # noqa: F401  (importing one registers it)
from wdsr_tf.models.discriminators.registry import (
    Discriminator,
    InputSide,
    check_input_side,
    create_discriminator,
    hyperparameters_of,
    input_side,
    list_discriminators,
)

DISCRIMINATORS = tuple(list_discriminators())

__all__ = [
    "DISCRIMINATORS",
    "Discriminator",
    "InputSide",
    "check_input_side",
    "create_discriminator",
    "hyperparameters_of",
    "input_side",
    "list_discriminators",
]
