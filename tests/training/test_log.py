"""TensorBoard's own reader finds what a run logs."""

import io

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from wdsr_tf.models import create_model
from wdsr_tf.training import trainer
from wdsr_tf.training.callbacks import Clock, Progress
from wdsr_tf.training.log import Log

EVERYTHING = {"images": 0, "scalars": 0}
LOGS = {"loss": 3.0, "psnr": 30.0, "val_loss": 2.5, "val_psnr": 31.0, "ema_psnr": 31.5, "bicubic_psnr": 29.5}
LOGS |= {"not_finite_steps": 0}
PATCH = np.random.default_rng(0).integers(0, 256, (1, 24, 24, 3), "uint8")


@pytest.fixture
def model(policy):
    """`model(policy)` is a tiny network, compiled under that policy."""

    def build(name="float32"):
        policy(name)
        model = create_model("wdsr-a", 2, num_filters=2, num_res_blocks=1)
        trainer.compile_model(model, "sgd", "mae")
        return model

    return build


def show(model, folder, epochs, initial_epoch=0, all_epochs=9, **changed):
    """Logs `epochs` epochs of five steps."""
    progress = Progress(all_epochs, Clock(initial_epoch, None, 5), 2)
    progress.rate = 123.0
    log = Log(folder, progress, [(PATCH[:, ::2, ::2], PATCH)] * 5)
    log.set_model(model)
    log.on_train_begin()
    for epoch in range(initial_epoch, initial_epoch + epochs):
        log.on_epoch_end(epoch, LOGS | changed)


def read(folder):
    found = EventAccumulator(str(folder), EVERYTHING)
    found.Reload()
    return found


def steps(found, tag):
    return [event.step for event in found.Scalars(tag)]


def test_every_metric_has_a_scalar_per_epoch(model, tmp_path):
    show(model(), tmp_path, 3)
    found = read(tmp_path)
    values = {tag: {event.value for event in found.Scalars(tag)} for tag in found.Tags()["scalars"]}
    assert values == {
        "loss/training": {3.0},
        "loss/validation": {2.5},
        "psnr/training": {30.0},
        "psnr/validation": {31.0},
        "psnr/validation_averaged_weights": {31.5},
        "psnr/validation_bicubic": {29.5},
        "learning_rate": {np.float32(0.01)},
        "images_per_second": {123.0},
    }
    assert steps(found, "loss/training") == [5, 10, 15]


def test_half_precision_logs_its_loss_scale(model, tmp_path):
    network = model("mixed_float16")
    network.optimizer.build(network.trainable_variables)
    network.optimizer.dynamic_scale.assign(256.0)
    show(network, tmp_path, 1)
    (event,) = read(tmp_path).Scalars("loss_scale")
    assert event.value == 256.0


def test_panels_are_logged_at_powers_of_two_and_at_the_last_epoch(model, tmp_path):
    show(model(), tmp_path, 7, all_epochs=7)
    found = read(tmp_path)
    assert found.Tags()["images"] == ["panels/0", "panels/1", "panels/2"]
    events = found.Images("panels/2")
    assert [event.step // 5 for event in events] == [1, 2, 4, 7]
    panel = Image.open(io.BytesIO(events[0].encoded_image_string))
    assert panel.size == (events[0].width, events[0].height) == (4 * 96 + 3 * 4, 96 + 18)


def test_a_resumed_run_continues_without_overlap(model, tmp_path):
    network = model()
    show(network, tmp_path, 3)
    show(
        network, tmp_path, 2, initial_epoch=2, loss=7.0
    )  # epoch 3 was logged before a kill, but its state wasn't saved
    found = read(tmp_path)
    assert steps(found, "loss/training") == [5, 10, 15, 20]
    assert [event.value for event in found.Scalars("loss/training")] == [3.0, 3.0, 7.0, 7.0]
    assert [event.step // 5 for event in found.Images("panels/0")] == [1, 2, 4]
