"""From a TrainingConfig to what `adversarial.attach` takes: the objective, and the discriminator with its optimizer."""

import dataclasses

import keras
from keras import ops

from wdsr_tf import losses
from wdsr_tf.errors import InputError
from wdsr_tf.training import adversarial

UNITS = {"mae": 1 / 255, "mse": 1 / 255**2, "weighted-mse": 1 / 255**2, "charbonnier": 1 / 255}  # others: on 0..1


def attach(config, model, not_finite, optimizer, log):
    """Makes the compiled `model` train with the perceptual and adversarial losses of `config`.

    Args:
        config: The TrainingConfig.
        model: The network, compiled with a `guarded` optimizer.
        not_finite: The metric that counts its broken steps.
        optimizer: A new optimizer for the discriminator.
        log: Is called with a line about what they are.

    Raises:
        InputError: A name is unknown, a file can't be used, or the discriminator doesn't take such patches.
    """
    objective = adversarial.Objective(pixel_weight=config.pixel_weight, pixel_unit=UNITS.get(config.loss, 1.0))
    if config.perceptual:
        objective = dataclasses.replace(objective, perceptual_weight=config.perceptual, **_perceptual(config, log))
    if not config.adversarial:
        adversarial.attach(model, not_finite, objective)
        return
    loss = losses.get_adversarial_loss(config.adversarial)
    discriminator = _discriminator(config, model)
    log(f"Discriminator: {config.discriminator}, {discriminator.count_params():,} parameters.")
    seeds = keras.random.SeedGenerator(config.seed)
    weighted = dataclasses.replace(
        objective,
        adversarial=loss,
        adversarial_weight=config.adversarial_weight,
        penalty=_penalty(config, discriminator, seeds),
    )
    adversarial.attach(model, not_finite, weighted, discriminator, adversarial.guarded(optimizer), [seeds.state])


def _perceptual(config, log):
    from wdsr_tf.importers.vgg import find_weights

    weights = find_weights(config.vgg_weights)
    perceptual = losses.PerceptualLoss(weights, config.perceptual_layers)
    log(f"Perceptual loss: {config.perceptual_layers}, on VGG-19 of {weights.source}, {weights.file}.")
    expected = losses.PERCEPTUAL_LAYERS[config.perceptual_layers].source
    if weights.source != expected:
        log(f"Its published weight belongs to {expected}'s VGG-19; compare the size of perceptual_loss in history.csv.")
    return {"perceptual": perceptual, "frozen": tuple(perceptual.features.variables)}


def _discriminator(config, model):
    from wdsr_tf.importers.discriminators import import_discriminator
    from wdsr_tf.models import discriminators

    lr = keras.KerasTensor((1, config.lr_patch_size, config.lr_patch_size, 3))
    sr = adversarial.first(model(lr, training=True))  # symbolic: its size alone
    discriminators.check_input_side(config.discriminator, sr.shape[1], config.scale)
    given = {} if config.discriminator_filters is None else {"num_filters": config.discriminator_filters}
    discriminator = discriminators.create_discriminator(config.discriminator, **given)
    if config.pretrained_discriminator:
        pretrained = import_discriminator(config.pretrained_discriminator)
        if pretrained.recipe != discriminator.recipe:
            raise InputError(
                f"{config.pretrained_discriminator} contains {pretrained.recipe}, but the settings describe "
                f"{discriminator.recipe}. Set discriminator and discriminator_filters to the file's."
            )
        discriminator.set_weights(pretrained.get_weights())
    return discriminator


def _penalty(config, discriminator, seeds):
    if not (config.r1 or config.gradient_penalty):
        return None

    def judge(images):
        return discriminator(images, training=False)

    def penalty(hr, sr):
        hr, total = ops.cast(hr, "float32"), 0.0
        if config.r1:
            total += config.r1 * losses.r1(judge, hr)
        if config.gradient_penalty:
            random = keras.random.uniform((ops.shape(hr)[0],), seed=seeds)
            total += config.gradient_penalty * losses.gradient_penalty(judge, hr, sr, random)
        return total

    return penalty
