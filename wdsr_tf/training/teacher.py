"""Distillation on outputs: a trained network, the teacher, says what the student should return.

The loss of a training step is (1 - weight) * loss(hr) + weight * loss(teacher(lr)); validation stays on HR alone. The
teacher is only called, so its weights are neither trained nor part of the student's checkpoint, which records its
origin instead.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from keras import ops

from wdsr_tf.errors import InputError, line
from wdsr_tf.importers.origin import loaded

if TYPE_CHECKING:
    from wdsr_tf.models import SRModel
    from wdsr_tf.training.config import TrainingConfig

FACT = "teacher"  # what the student's checkpoint calls the teacher's origin


def distill(
    model: "SRModel", config: "TrainingConfig", log: Callable[[str], None], recorded: Mapping[str, Any] | None = None
) -> None:
    """Makes the training loss of `model` include `config.teacher`; call it before `trainer.compile_model`.

    Args:
        model: The student.
        config: The training, with a teacher.
        log: Called with each line about the teacher.
        recorded: What the checkpoint that training continues from says of its teacher, if anything.

    Raises:
        InputError: The teacher can't be loaded, or has another scale.
    """
    if config.scales != [config.scale]:
        raise InputError("A teacher has one scale, so training_scales can't have several. Leave one of them out.")
    teacher, origin = loaded(config.teacher, config.scale, log)
    if teacher.scale != model.scale:
        raise InputError(f"The teacher {config.teacher} is x{teacher.scale}, but the training is x{model.scale}.")
    log(f"Teacher: {origin['source']}, {teacher.architecture} with {teacher.count_params():,} parameters.")
    model.facts[FACT] = origin | {"weight": config.teacher_weight}
    if recorded and recorded != model.facts[FACT]:
        log(f"The teacher was {line(recorded)}, and is {line(model.facts[FACT])} now.")
    model.compute_loss = distilled(model.compute_loss, teacher, config.teacher_weight)


def distilled(hr_loss: Callable, teacher: Callable, weight: float) -> Callable:
    """Returns `hr_loss`, a model's `compute_loss`, with the teacher's part added in training."""
    teacher.trainable = False

    def compute_loss(x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = hr_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        taught = ops.stop_gradient(teacher(x, training=False))
        return (1 - weight) * loss + weight * hr_loss(x, taught, y_pred, sample_weight, training)

    return compute_loss
