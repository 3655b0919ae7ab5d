"""Which settings of a training have an effect only because of others."""

from pathlib import Path


def has_more_losses(config) -> bool:
    """Returns whether a training has a perceptual or an adversarial loss."""
    return bool(config.adversarial or config.perceptual)


def is_store(config) -> bool:
    """Returns whether the dataset is a store of patches, not of images."""
    return Path(config.dataset).is_file()


# Settings that have an effect only in some trainings: their names, the condition, and the condition in words.
CONDITIONS = [
    (["downgrade"], lambda c: c.benchmark or not (c.degrade or is_store(c)), "to LR images that the dataset has"),
    (["degrade"], lambda c: not is_store(c), "to images; a store of patches has LR already"),
    (["training_scales"], lambda c: not is_store(c), "to images; a store of patches has one scale"),
    (
        ["training_scales", "save_best_models_only", "benchmark"],
        lambda c: not has_more_losses(c),
        "without perceptual and adversarial losses",
    ),
    (
        ["adversarial_weight", "discriminator", "discriminator_filters", "discriminator_learning_rate"],
        lambda c: c.adversarial,
        "with adversarial",
    ),
    (["pretrained_discriminator", "r1", "gradient_penalty"], lambda c: c.adversarial, "with adversarial"),
    (["perceptual_layers", "vgg_weights"], lambda c: c.perceptual, "with perceptual"),
    (["pixel_weight"], has_more_losses, "with perceptual or adversarial"),
    (
        ["min_bytes", "active_cropping", "half_size", "color_noise", "overlay", "unsharp_mask"],
        lambda c: c.degrade,
        "with degrade",
    ),
    (
        ["oracle_rate"],
        lambda c: len({*c.training_scales}) < 2 and not c.device_resident,
        "to one scale, without device_resident",
    ),
    (
        ["oracle_rate"],
        lambda c: c.num_processes == 1 and str(c.devices or 1) == "1",
        "to a single device, without num_processes",
    ),
    (["oracle_drop_rate"], lambda c: c.oracle_rate, "with oracle_rate"),
    (["memory_fraction"], lambda c: not is_store(c), "to images, not to a store of patches"),
    (["benchmark"], lambda c: c.validation != "crops", "to full-images, without validation=crops"),
    (
        ["validation_steps"],
        lambda c: not c.benchmark and c.validation != "full-images",
        "to validation on crops, without benchmark and validation=full-images",
    ),
    (["num_init_batches"], lambda c: not c.pretrained_model, "to fresh weights, without pretrained_model"),
    (["initial_epoch"], lambda c: c.pretrained_model, "to pretrained_model; to continue a run, resume it"),
    (["teacher"], lambda c: not has_more_losses(c), "to a loss of pixels alone, without perceptual and adversarial"),
    (["teacher_weight"], lambda c: c.teacher, "with a teacher"),
    (["process_id", "coordinator"], lambda c: c.num_processes > 1, "to several processes, with num_processes"),
    (["momentum", "adjustable_clip", "last_layer_rate"], lambda c: c.optimizer == "sgd", "to optimizer sgd"),
    (
        ["last_layer_rate"],
        lambda c: not c.adversarial,
        "without adversarial: a discriminator has a last layer, too",
    ),
    (["weight_decay_kernels_only"], lambda c: c.weight_decay, "with weight_decay"),
    (["max_learning_rate"], lambda c: c.schedule == "triangular", "to schedule triangular"),
    (["learning_rate_boundaries"], lambda c: c.schedule == "multi-step", "to schedule multi-step"),
    (["learning_rate_step_size"], lambda c: c.schedule in ("step", "triangular"), "to schedules step and triangular"),
    (
        ["learning_rate_decay"],
        lambda c: c.schedule in ("step", "multi-step", "inverse-time"),
        "to schedules step, multi-step and inverse-time",
    ),
]
