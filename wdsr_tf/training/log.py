"""A run's log for TensorBoard: scalars per epoch, and panels of a few images.

Written with TensorBoard's own writer, which needs no TensorFlow. Steps are training steps; a resumed run invalidates
what was logged after its first step.
"""

import io
import time

import keras
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from wdsr_tf.training import panels

START = SessionLog(status=SessionLog.START)  # readers drop the events after its step
TAGS = {
    "loss": "loss/training",
    "val_loss": "loss/validation",
    "psnr": "psnr/training",
    "val_psnr": "psnr/validation",
    "ema_psnr": "psnr/validation_averaged_weights",
    "bicubic_psnr": "psnr/validation_bicubic",
    "pixel_loss": "terms/pixel",
    "perceptual_loss": "terms/perceptual",
    "adversarial_loss": "terms/adversarial",
    "discriminator_loss": "discriminator/loss",
    "real_logit": "discriminator/logit_of_hr",
    "fake_logit": "discriminator/logit_of_sr",
    "discriminator_learning_rate": "discriminator/learning_rate",
}


class Log(keras.callbacks.Callback):
    """Writes TensorBoard's files to `folder`. Must come after the callbacks whose figures it logs.

    Panels show the first images of `validation`, at epochs 1, 2, 4, 8 ... and at the last one, so that the files of a
    long run stay small; without `validation` there are none.
    """

    def __init__(self, folder, progress, validation=None):
        super().__init__()
        self.folder, self.progress, self.validation = folder, progress, validation

    def on_train_begin(self, logs=None):
        self.patches = []
        if self.validation is not None:
            self.patches = panels.patches(self.validation, self.model.scale)
        self.writer = EventFileWriter(str(self.folder))
        self._write(self.progress.clock.initial_step + 1, session_log=START)

    def on_epoch_end(self, epoch, logs=None):
        scalars = {tag: logs[name] for name, tag in TAGS.items() if name in logs}
        optimizer = self.model.optimizer
        scalars["learning_rate"] = keras.ops.convert_to_numpy(optimizer.learning_rate)
        if self.model.dtype_policy.name == "mixed_float16":
            scalars["loss_scale"] = keras.ops.convert_to_numpy(optimizer.dynamic_scale)
        scalars["images_per_second"] = self.progress.rate
        values = [Summary.Value(tag=tag, simple_value=float(value)) for tag, value in scalars.items()]
        number = epoch + 1
        if number & (number - 1) == 0 or number == self.progress.epochs:
            values += [
                _image(f"panels/{i}", panel) for i, panel in enumerate(panels.draw_all(self.model, self.patches))
            ]
        self._write(self.progress.clock.steps(number), summary=Summary(value=values))

    def on_train_end(self, logs=None):
        self.writer.close()

    def _write(self, step, **what):
        self.writer.add_event(Event(wall_time=time.time(), step=step, **what))
        self.writer.flush()


def _image(tag, image):
    file = io.BytesIO()
    image.save(file, "PNG")
    size = {"height": image.height, "width": image.width, "colorspace": 3}
    return Summary.Value(tag=tag, image=Summary.Image(encoded_image_string=file.getvalue(), **size))
