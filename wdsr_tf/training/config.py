# ruff: noqa: RUF009  (`option` returns a dataclass field)
"""TrainingConfig: everything that determines a training run, as one value. Imports no Keras.

The fields are the one place that describes a setting: its type, default, sentence and bounds. The flags of the train
command are made from them, and args.txt is written from them.
"""

import dataclasses
import math
import numbers
import operator
import os
import types
import typing
from collections.abc import Mapping

from wdsr_tf.errors import InputError, line, suggestion
from wdsr_tf.training.conditions import CONDITIONS, has_more_losses, is_store

OPTIMIZERS = ("adam", "amsgrad", "adamw", "sgd")
HYPERPARAMETERS = ("num_filters", "num_res_blocks", "res_expansion", "res_scaling", "weight_norm")  # with own fields
VALIDATIONS = ("full-images", "crops")
MOST_HARD = 2**18  # patches that the oracle keeps: a checkpoint lists them in its config, of at most 8 MiB
LARGEST = 10**9  # whole number that a setting may be: products of two still fit into 64 bits
SCHEDULES = ("step", "multi-step", "cosine", "triangular", "inverse-time", "constant")


@dataclasses.dataclass(frozen=True)
class Option:
    """How a field is described: see `option`."""

    sentence: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...] | None
    short: str | None
    flag: str | None
    section: str | None


def option(default, sentence, *, minimum=None, maximum=None, choices=None, short=None, flag=None, section=None):
    """Returns a dataclass field.

    Args:
        default: The default value. None stands for a default that the sentence explains.
        sentence: What the setting means, for help.
        minimum, maximum: Inclusive bounds of a number, or of each number in a tuple.
        choices: The words that are allowed.
        short: The one-letter name of the flag.
        flag: The name of the flag if it isn't the field's.
        section: A heading in help for this field and those that follow.
    """
    metadata = {"option": Option(sentence, minimum, maximum, choices, short, flag, section)}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything that determines a training run; `wdsr_tf.train` takes it.

    Raises:
        InputError: If a value is of the wrong type or out of bounds, or if a setting has no effect because of others.
    """

    outdir: str | os.PathLike = option("./output", "Folder for runs.", short="o")

    dataset: str | os.PathLike = option(
        "./DIV2K_BIN",
        "Dataset that convert.py wrote; to make LR during training, also any folder of images.",
        short="d",
        section="Data",
    )
    scale: int = option(2, "Upscaling factor.", minimum=1, short="s")
    training_scales: tuple[int, ...] = option(
        (), "Scales to train, such as 2,3,4; each step trains one of them. Default: the upscaling factor.", minimum=1
    )
    downgrade: str = option("bicubic", "LR images to read: bicubic, bicubic_jpeg_90, unknown, ...")
    degrade: str | None = option(
        None, "Recipe that makes LR from HR during training, such as real-esrgan; see docs/training.md."
    )
    write_samples: int = option(
        0, "Training patches to write as images to the run's folder, LR beside HR, before training starts.", minimum=0
    )
    min_bytes: int = option(
        0, "For LR made during training: prefer patches whose LR takes at least this many bytes as PNG.", minimum=0
    )
    active_cropping: float = option(
        0.0, "For LR made during training: fraction of patches to choose for their detail.", minimum=0, maximum=1
    )
    oracle_rate: float = option(
        0.0, "Fraction of an epoch's patches that are hard ones of the epoch before.", minimum=0, maximum=1
    )
    oracle_drop_rate: float = option(
        0.5, "Fraction of the hardest patches that aren't kept, at random.", minimum=0, maximum=1
    )
    half_size: float = option(
        0.0, "For LR made during training: fraction of patches from images at half their size.", minimum=0, maximum=1
    )
    color_noise: float = option(
        0.0, "For LR made during training: fraction of patches with changed colors.", minimum=0, maximum=1
    )
    overlay: float = option(
        0.0, "For LR made during training: fraction of patches blended with a flipped copy.", minimum=0, maximum=1
    )
    unsharp_mask: float = option(
        0.0, "For LR made during training: fraction of patches whose HR is sharpened.", minimum=0, maximum=1
    )
    training_images: str | None = option(None, "Inclusive range of ids, such as 1-800. Default: all.")
    validation_images: str | None = option(None, "Inclusive range of ids, such as 801-900. Default: all.")
    lr_patch_size: int = option(48, "Side of a training patch in LR pixels.", minimum=1)
    batch_size: int = option(16, "Patches per step.", minimum=1)
    augment: bool = option(True, "Flip and rotate patches at random.")
    device_resident: bool = option(False, "Keep the training images in device memory and cut patches there.")
    memory_fraction: float = option(
        0.5, "Load the whole dataset if it fits in this fraction of the free memory.", minimum=0, maximum=1
    )

    model: str = option("wdsr-b", "Network to train; see docs/models.md.", short="m", section="Network")
    num_filters: int | None = option(None, "Width of the body. Default: the network's.", minimum=1)
    num_res_blocks: int | None = option(None, "Residual blocks in the body. Default: the network's.", minimum=1)
    res_expansion: int | None = option(None, "WDSR: widening before the ReLU. Default: the network's.", minimum=1)
    res_scaling: float | None = option(None, "Factor on residual branches. Default: the network's.")
    weight_norm: bool | None = option(None, "Use weight normalization. Default: the network's.", flag="weightnorm")
    hyperparameters: Mapping[str, object] = option(
        {}, "Any other hyperparameter of the network, as NAME=VALUE; may be repeated.", flag="set"
    )
    num_init_batches: int = option(
        0, "Batches for the data-dependent initialization of weight normalization; 0 for none.", minimum=0
    )
    pretrained_model: str | os.PathLike | None = option(
        None, "Checkpoint or published weights file, or its URL, to start from; layers are matched by name."
    )
    initial_epoch: int = option(
        0, "Epochs that the pretrained model was trained for; continues after them, optimizer included.", minimum=0
    )
    print_model_summary: bool = option(False, "Print the layers of the network.")

    adversarial: str | None = option(
        None,
        "Adversarial loss, such as vanilla or relativistic, of a discriminator that is trained too. Default: none.",
        section="Perceptual and adversarial training",
    )
    adversarial_weight: float = option(0.1, "Weight of the network's adversarial loss.", minimum=0)
    discriminator: str = option("unet-sn", "Network that judges HR and SR; see docs/training.md.")
    discriminator_filters: int | None = option(
        None, "Width of its first layer. Default: 64, as published.", minimum=1, maximum=256
    )
    discriminator_learning_rate: float | None = option(
        None, "Its initial learning rate, with the same schedule. Default: the network's.", minimum=0
    )
    pretrained_discriminator: str | os.PathLike | None = option(None, "Weights file that it starts from.")
    r1: float = option(0.0, "Weight of the R1 penalty on its gradient at HR.", minimum=0)
    gradient_penalty: float = option(0.0, "Weight of WGAN-GP's penalty on its gradient.", minimum=0)
    perceptual: float = option(0.0, "Weight of the perceptual loss; 0 for none.", minimum=0)
    perceptual_layers: str = option("esrgan", "Layers of VGG-19 that it compares: srgan, esrgan, real-esrgan, ...")
    vgg_weights: str | os.PathLike | None = option(
        None, "VGG-19's weights, from torchvision (.pth) or Keras (.h5). Default: where these keep them."
    )
    pixel_weight: float = option(1.0, "Weight of the loss beside these two, for images in 0..1.", minimum=0)

    epochs: int = option(300, "Number of epochs.", minimum=1, section="Optimization")
    steps_per_epoch: int = option(1000, "Steps per epoch.", minimum=1)
    loss: str = option("mae", "Loss: mae, mse, charbonnier, ms-ssim, ...; see docs/training.md.")
    teacher: str | os.PathLike | None = option(
        None,
        "Trained model whose output the loss includes as a target: a checkpoint or published weights file, or its URL.",
    )
    teacher_weight: float = option(
        0.5, "Fraction of the loss that is to the teacher's output; the rest is to HR.", minimum=0, maximum=1
    )
    optimizer: str = option("adam", "Optimizer.", choices=OPTIMIZERS)
    learning_rate: float = option(1e-3, "Initial learning rate.", minimum=0)
    schedule: str = option("step", "Learning rate schedule.", choices=SCHEDULES)
    learning_rate_step_size: int = option(
        200, "Epochs between the steps of the step schedule; half a period of triangular.", minimum=1
    )
    learning_rate_boundaries: tuple[int, ...] = option(
        (), "Epochs after which the multi-step schedule takes its steps, such as 20,25.", minimum=1
    )
    learning_rate_decay: float | None = option(
        None,
        "Factor of a step, by default 0.5; or the decay per step of inverse-time, by default 3e-7 per patch.",
        minimum=0,
    )
    max_learning_rate: float | None = option(
        None, "Peak of the triangular schedule. Default: four times the initial learning rate.", minimum=0
    )
    warmup_steps: int = option(0, "Steps over which the learning rate grows linearly from zero.", minimum=0)
    weight_decay: float = option(0.0, "L2 regularization in the gradient; decoupled for adamw.", minimum=0)
    weight_decay_kernels_only: bool = option(
        False, "Leave biases and other weights than kernels out of the weight decay."
    )
    last_layer_rate: float = option(1.0, "sgd: factor on the learning rate of the last layer.", minimum=0)
    momentum: float = option(0.9, "Momentum of sgd.", minimum=0, maximum=1)
    global_clipnorm: float = option(0.0, "Largest norm of all gradients together; 0 for no limit.", minimum=0)
    clipvalue: float = option(0.0, "Largest absolute value in a gradient; 0 for no limit.", minimum=0)
    adjustable_clip: float = option(
        0.0, "sgd: largest norm of all gradients times the learning rate; 0 for no limit.", minimum=0
    )
    ema: float | None = option(
        None,
        "Momentum of a moving average of the weights, such as 0.999, to validate and save too. Default: no average.",
        minimum=0,
        maximum=1,
    )
    precision: str | None = option(
        None,
        "Numbers to compute with. Default: bfloat16 where the CPU or GPU multiplies it fast, float16 on other GPUs, "
        "float32 on other CPUs.",
        choices=("float32", "mixed_float16", "mixed_bfloat16"),
    )
    rematerialize: bool = option(False, "Save memory: recompute most activations in the backward pass.")
    seed: int = option(0, "Seed of everything random.", minimum=0, maximum=2**32 - 1)

    devices: str | int | None = option(
        None, "Number of devices that share each batch, or all. Default: 1.", section="Devices"
    )
    num_processes: int = option(1, "Processes that train together, on one or several machines.", minimum=1)
    process_id: int = option(0, "Number of this process, from 0; process 0 writes and prints.", minimum=0)
    coordinator: str | None = option(None, "HOST:PORT on which process 0 listens.")

    validation: str | None = option(
        None,
        "Measure PSNR on full-images, as bench.py does, or on crops. Default: full-images if LR is read from the "
        "dataset and they take at most 5% of an epoch.",
        choices=VALIDATIONS,
        section="Validation and checkpoints",
    )
    validation_steps: int = option(
        100, "Batches of crops to validate on, the same in each epoch; another number chooses crops.", minimum=1
    )
    benchmark: bool = option(False, "Validate on full-images; keep only checkpoints that improve PSNR.")
    save_best_models_only: bool = option(False, "Keep only checkpoints that improve validation PSNR.")
    save_models_after_epoch: int = option(0, "Keep no checkpoints up to this epoch.", minimum=0)
    save_models_every: int = option(1, "Keep the checkpoint of every Nth epoch only.", minimum=1)

    def __post_init__(self):
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field, getattr(self, field.name)))
        for name, reason in without_effect(vars(self)).items():
            raise InputError(f"{name} has no effect here: it applies only {reason}.")
        if self.process_id >= self.num_processes:
            raise InputError(f"process_id must be below num_processes ({self.num_processes}), not {self.process_id}.")
        if self.num_processes > 1 and not self.coordinator:
            raise InputError("num_processes needs coordinator, the HOST:PORT on which process 0 listens.")
        self._check_oracle()

    def _check_oracle(self):
        """Raises InputError if the oracle needs more patches than an epoch has, or keeps more than a checkpoint can."""
        if self.oracle_rate > 1 - self.oracle_drop_rate + 1e-9:
            raise InputError(
                f"oracle_rate={self.oracle_rate} with oracle_drop_rate={self.oracle_drop_rate} needs more patches than "
                f"an epoch has: it must be at most 1 - oracle_drop_rate, {1 - self.oracle_drop_rate:g}."
            )
        count = round(self.oracle_rate * self.steps_per_epoch * self.batch_size)
        if count > MOST_HARD:
            raise InputError(
                f"oracle_rate={self.oracle_rate} keeps {count:,} patches of an epoch, but {MOST_HARD:,} are the most. "
                "Use a lower oracle_rate, or fewer steps_per_epoch."
            )

    @property
    def scales(self) -> list[int]:
        """The scales to train, ascending."""
        return sorted({*self.training_scales} or {self.scale})

    @property
    def is_store(self) -> bool:
        """Whether the dataset is a store of patches, not of images."""
        return is_store(self)

    @property
    def is_ranked_by_psnr(self) -> bool:
        """Whether a higher PSNR means a better network: not with perceptual and adversarial losses."""
        return not has_more_losses(self)

    def flag_lines(self) -> list[str]:
        """Returns the settings as sorted flags: the lines of args.txt, which is a profile that replays the run."""
        return sorted(line for field in dataclasses.fields(self) for line in _lines(field, getattr(self, field.name)))


def kind_of(field: dataclasses.Field) -> type:
    """Returns a field's type without None and alternatives: bool, int, float, str, tuple or Mapping."""
    kind = field.type.__args__[0] if isinstance(field.type, types.UnionType) else field.type
    return typing.get_origin(kind) or kind


def flag_name(field: dataclasses.Field) -> str:
    """Returns the name of a field's flag."""
    return field.metadata["option"].flag or field.name


def without_effect(settings: Mapping[str, object]) -> dict[str, str]:
    """Returns {name: when it has an effect} for the settings that have none because of the others.

    Defaults and values that ask for nothing (0, empty) are never among them.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(TrainingConfig)}
    config = types.SimpleNamespace(**defaults | settings)
    return {
        name: reason
        for names, has_effect, reason in CONDITIONS
        for name in names
        if getattr(config, name) and getattr(config, name) != defaults[name] and not has_effect(config)
    }


def _checked(field, value):
    """The value in the field's type, or InputError."""
    described, kind = field.metadata["option"], kind_of(field)
    if value is None and field.default is None:
        return None
    expected, convert = _KINDS[kind]
    try:
        value = convert(value)
    except (TypeError, ValueError):
        raise InputError(f"{field.name} must be {expected}, not {line(repr(value))}.") from None
    if described.choices and value not in described.choices:
        hint = suggestion(value, described.choices)
        raise InputError(
            f"Unknown {field.name} {line(repr(value))}. {hint}Choose one of {', '.join(described.choices)}."
        )
    for number in value if kind is tuple else (value,):
        if described.minimum is not None and number < described.minimum:
            raise InputError(f"{field.name} must be at least {described.minimum}, not {line(number)}.")
        maximum = LARGEST if described.maximum is None and kind in (int, tuple) else described.maximum
        if maximum is not None and number > maximum:
            raise InputError(f"{field.name} must be at most {maximum}, not {line(number)}.")
    return value


def _instance(value, kinds, convert):
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
        raise TypeError
    return convert(value)


def _finite(value):
    if not math.isfinite(value):
        raise ValueError
    return float(value)


def _whole(value):
    return _instance(value, numbers.Integral, operator.index)


_KINDS = {  # type: what it's called in messages, and a function that converts a value or raises
    bool: ("True or False", lambda value: _instance(value, bool, bool)),
    int: ("a whole number", _whole),
    float: ("a finite number", lambda value: _instance(value, numbers.Real, _finite)),
    str: ("text", lambda value: _instance(value, str | os.PathLike | int, str)),
    tuple: ("whole numbers", lambda value: tuple(map(_whole, value))),
    Mapping: ("a mapping of names to values", dict),
}


def _lines(field, value):
    name, kind = flag_name(field), kind_of(field)
    if value is None:
        return []
    if kind is bool:
        return [f"--{name}" if value else f"--no{name}"]
    if kind is tuple:
        return [f"--{name}={','.join(map(str, value))}"]
    if kind is Mapping:
        return [f"--{name}={key}={each!r}" for key, each in value.items()]
    return [f"--{name}={value}"]


TrainingConfig.__doc__ += "\n    Args:\n" + "".join(
    f"        {field.name}: {field.metadata['option'].sentence}\n" for field in dataclasses.fields(TrainingConfig)
)
