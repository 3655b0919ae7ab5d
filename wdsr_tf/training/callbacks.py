"""Progress, a stop when the loss isn't finite, and checkpoints at the end of each epoch."""

import dataclasses
import sys
import time

import keras
import numpy as np
from tqdm import tqdm

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.images.resize import imresize
from wdsr_tf.training import adversarial, devices, failures


class NotFiniteError(InputError):
    """The run stopped because its loss was infinite or NaN; the message names the step and what may help."""


NOT_FINITE = "Try a lower learning_rate, more warmup_steps, global_clipnorm, or precision=float32."


class Clock:
    """Converts epochs to training steps: epochs before a run was resumed may have had another number of steps.

    Args:
        initial_epoch: Number of epochs that are done.
        initial_step: Number of steps that are done. Default: those epochs had `steps_per_epoch` steps each.
        steps_per_epoch: Steps of the epochs that follow.
    """

    def __init__(self, initial_epoch, initial_step, steps_per_epoch):
        self.initial_epoch = initial_epoch
        self.initial_step = initial_epoch * steps_per_epoch if initial_step is None else initial_step
        self.steps_per_epoch = steps_per_epoch

    def steps(self, epochs):
        """Returns the number of steps of the first `epochs` epochs."""
        return self.initial_step + (epochs - self.initial_epoch) * self.steps_per_epoch

    def facts(self, epochs):
        """Returns what a checkpoint records of the steps of the first `epochs` epochs."""
        return {"steps": self.steps(epochs), "steps_per_epoch": self.steps_per_epoch}


class Progress(keras.callbacks.Callback):
    """Tells how the training goes: steps, loss, PSNR, images per second, time left.

    On a terminal, a bar per epoch. Elsewhere, a line for `log` after a few seconds, and then every half minute. At the
    end of each epoch, a line for `log` in both cases.

    Attributes:
        rate: Images per second in the last epoch.
    """

    FIRST, EVERY = 5, 30  # seconds

    def __init__(self, epochs, clock, batch_size, log=print):
        super().__init__()
        self.epochs = epochs
        self.clock = clock
        self.batch_size = batch_size
        self.log = log

    def on_train_begin(self, logs=None):
        self.started = time.monotonic()
        self.due = self.started + self.FIRST

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self.epoch_started = time.monotonic()
        total, title = self.clock.steps_per_epoch, f"epoch {epoch + 1}/{self.epochs}"
        self.bar = tqdm(total=total, desc=title, unit="step", leave=False, disable=not sys.stderr.isatty())

    def on_train_batch_end(self, batch, logs=None):
        now = self.trained = time.monotonic()
        if not batch:
            self.compiled = now  # the first step compiles
        rate = batch * self.batch_size / (now - self.compiled) if now > self.compiled else 0.0
        if self.bar.update(batch + 1 - self.bar.n):  # true when the bar was drawn: only then is a number fetched
            self.bar.set_postfix_str(f"{_figures(logs)}  {rate:.0f} images/s", refresh=False)
        elif self.bar.disable and now >= self.due and rate:
            self.due = now + self.EVERY
            steps = self.clock.steps(self.epochs) - self.clock.steps(self.epoch) - batch - 1
            left = tqdm.format_interval(steps * self.batch_size / rate)
            place = f"step {batch + 1}/{self.clock.steps_per_epoch} of epoch {self.epoch + 1}/{self.epochs}"
            self.log(f"{place}  {_figures(logs)}  {rate:.0f} images/s  {left} left")

    def on_epoch_end(self, epoch, logs=None):
        self.bar.close()
        now = time.monotonic()
        self.rate = self.clock.steps_per_epoch * self.batch_size / (self.trained - self.epoch_started)
        seconds = (now - self.started) / (epoch + 1 - self.clock.initial_epoch) * (self.epochs - epoch - 1)
        left = tqdm.format_interval(seconds)
        shown = [name for name in ("loss", "psnr", "val_loss", "val_psnr", "real_logit", "fake_logit") if name in logs]
        numbers = "  ".join(f"{name} {logs[name]:.4f}" for name in shown)
        self.log(f"epoch {epoch + 1}/{self.epochs}  {numbers}  {self.rate:.0f} images/s  {left} left")
        if epoch == self.clock.initial_epoch:
            took = now - self.trained
            self.log(f"Validation and saving took {took:.1f} s, {took / (now - self.epoch_started):.0%} of the epoch.")


def _figures(logs):
    return f"loss {float(logs['loss']):.3f}  psnr {float(logs['psnr']):.2f}"


class Baseline(keras.callbacks.Callback):
    """Adds the PSNR of bicubic on the validation images to each epoch's figures, to compare with.

    Says so if the network is still below bicubic after `PATIENCE` epochs. Must come before the callbacks that write the
    figures.

    Args:
        validation: What to measure on.
        log: Is called with a line.
        warns: Whether to say so: a network for perception may well be below bicubic.
    """

    PATIENCE = 5

    def __init__(self, validation, log, warns=True):
        super().__init__()
        self.validation = validation
        self.log = log
        self.warned = not warns

    def on_train_begin(self, logs=None):
        self.psnr = bicubic_psnr(self.validation)
        self.log(f"On the validation images, bicubic has a PSNR of {self.psnr:.4f} dB.")

    def on_epoch_end(self, epoch, logs=None):
        logs["bicubic_psnr"] = self.psnr
        best = max(logs["val_psnr"], logs.get("ema_psnr", -np.inf))
        if epoch + 1 >= self.PATIENCE and best < self.psnr and not self.warned:
            self.warned = True
            self.log(
                f"After {epoch + 1} epochs, the network's {best:.4f} dB are still below bicubic's {self.psnr:.4f} dB. "
                "Check that the LR images belong to the HR images, and try another learning_rate."
            )


def bicubic_psnr(validation):
    """Returns the mean PSNR of MATLAB's bicubic on all (lr, hr) of `validation`, computed like `metrics.PSNR`."""
    found = []
    for lr, hr in validation:
        lr, hr = np.asarray(lr, "float32"), np.asarray(hr, "float32")
        channels = np.moveaxis(lr, 0, 2).reshape(*lr.shape[1:3], -1)  # all images of the batch at once
        sr = imresize(channels, size=hr.shape[1:3]).reshape(*hr.shape[1:3], len(lr), -1)
        error = np.square(np.moveaxis(sr, 2, 0) - hr).mean(axis=(1, 2, 3))
        found += [10 * np.log10(255.0**2 / max(each, 1e-10)) for each in error]
    return float(np.mean(found))


class _Stop(keras.callbacks.Callback):
    """Stops a run after `patience` consecutive steps that `counter`, a figure of the training step, counts.

    Checks every ten steps, because a check waits for the device.
    """

    counter, patience = None, 0

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def on_epoch_begin(self, epoch, logs=None):
        self.steps_before = self.clock.steps(epoch)

    def on_train_batch_end(self, batch, logs=None):
        step = self.steps_before + batch + 1
        if step % 10:
            return
        counted = int(logs.get(self.counter, 0))
        if counted >= self.patience:
            raise self.error(counted, step - counted + 1)


class StopWhenNotFinite(_Stop):
    """Stops a run whose loss hasn't been finite for `patience` consecutive steps."""

    counter, patience = "not_finite_steps", 50

    def error(self, count, first):
        return NotFiniteError(
            f"The loss has not been finite for {count} steps, since step {first}. {NOT_FINITE} {failures.KEPT}"
        )


class StopWhenConstant(_Stop):
    """Stops a run of perceptual or adversarial training whose SR has been one color for `patience` consecutive steps.

    The discriminator may have driven the network there, from where it seldom returns. The patience is longer than for
    losses that aren't finite, because a network with fresh weights may begin with nearly one color.
    """

    counter, patience = "constant_steps", 500

    def error(self, count, first):
        return InputError(
            f"The network has returned images of one color for {count} steps, since step {first}. Try a lower "
            "learning_rate or adversarial_weight, more pixel_weight, or a pretrained_discriminator, and start from a "
            f"network trained by PSNR. {failures.KEPT}"
        )


@dataclasses.dataclass
class Keep:
    """Decides which epochs become checkpoints.

    Args:
        best_only: Only those that improve PSNR.
        after_epoch: None up to this one.
        every: Only every Nth.
        by_psnr: Whether PSNR ranks them, and so belongs in their names.
        best: The highest PSNR so far.
    """

    best_only: bool = False
    after_epoch: int = 0
    every: int = 1
    by_psnr: bool = True
    best: float = float("-inf")

    def after(self, rows, column):
        """Returns a `Keep` that goes on after the epochs in `rows`, judged by `column`."""
        rows = [row for row in rows if row["epoch"] > self.after_epoch and row["epoch"] % self.every == 0]
        return dataclasses.replace(self, best=max((row.get(column, -np.inf) for row in rows), default=float("-inf")))

    def path(self, run, epoch, psnr, suffix=""):
        """Returns the path of the checkpoint of `epoch` in `run`."""
        return run.model_path(epoch, psnr if self.by_psnr else None, suffix)

    def wants(self, epoch, psnr):
        """Returns whether to keep the checkpoint of `epoch` (from 1)."""
        if epoch <= self.after_epoch or epoch % self.every:
            return False
        better = psnr > self.best
        self.best = max(self.best, psnr)
        return better or not self.best_only


class SaveAverage(keras.callbacks.Callback):
    """Validates the moving average of the weights too, and saves it beside the raw weights if there is a `run`.

    Must come before SaveCheckpoints, so that the history contains the average's PSNR.
    """

    def __init__(self, run, keep, validation, clock):
        super().__init__()
        self.run = run
        self.keep = keep
        self.validation = validation
        self.clock = clock
        self.swap = keras.callbacks.SwapEMAWeights()

    def set_model(self, model):
        super().set_model(model)
        self.swap.set_model(model)

    def on_epoch_end(self, epoch, logs=None):
        self.swap.on_test_begin()
        try:
            logs["ema_psnr"] = psnr = self.validation.measure(self.model)["psnr"]
            if self.run and np.isfinite(psnr) and self.keep.wants(epoch + 1, psnr):
                self.model.facts |= {"epoch": epoch + 1, "ema": True, **self.clock.facts(epoch + 1)}
                with devices.alone():
                    checkpoint.save(self.model, self.keep.path(self.run, epoch + 1, psnr, "-ema"))
        finally:
            self.model.facts.pop("ema", None)
            self.swap.on_test_end()


EVERY_EPOCH = Keep()


def restore(run, keep, rows):
    """Restores what a kill right after a run's last state prevented: the history and that epoch's checkpoint.

    `keep` knows the epochs before the last one of `rows`.
    """
    if not rows:
        return
    run.write_history(rows)
    epoch, psnr = rows[-1]["epoch"], rows[-1]["val_psnr"]
    if keep.wants(epoch, psnr) and not keep.path(run, epoch, psnr).is_file():
        run.publish(keep.path(run, epoch, psnr))


class SaveCheckpoints(keras.callbacks.Callback):
    """At the end of an epoch, saves the run's state, its history, and a checkpoint if `keep` wants one.

    The state is written first; everything else can be restored from it.
    """

    def __init__(self, run, keep, rows, clock):
        super().__init__()
        self.run = run
        self.keep = keep
        self.rows = list(rows)
        self.clock = clock

    def on_train_begin(self, logs=None):
        restore(self.run, self.keep, self.rows)

    def on_epoch_end(self, epoch, logs=None):
        logs |= adversarial.learning_rates(self.model)
        row = {"epoch": epoch + 1, "learning_rate": float(_numpy(self.model.optimizer.learning_rate))}
        row |= {name: float(value) for name, value in logs.items() if not name.endswith("_steps")}
        if not np.isfinite(row["val_psnr"]):
            return  # a broken epoch is neither kept nor resumed from
        self.rows.append(row)
        self.model.facts |= {"epoch": epoch + 1, **self.clock.facts(epoch + 1)}
        self.model.facts |= {"history": self.rows, "random_state": random_state(self.model)}
        with devices.alone():
            checkpoint.save(self.model, self.run.state, adversarial.variables(self.model))
        self.run.write_history(self.rows)
        if self.keep.wants(epoch + 1, row["val_psnr"]):
            self.run.publish(self.keep.path(self.run, epoch + 1, row["val_psnr"]))


def swap_averages(model):
    """Exchanges the model's weights and their moving averages, which the optimizer keeps."""
    swap = keras.callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()


def random_state(model):
    """Returns the states of the model's random generators (dropout), which Keras doesn't save with its weights."""
    return [_numpy(v).tolist() for v in model.variables if v.path.endswith("seed_generator_state")]


def set_random_state(model, states):
    """Restores what `random_state` returned."""
    generators = [v for v in model.variables if v.path.endswith("seed_generator_state")]
    for variable, state in zip(generators, states, strict=True):
        variable.assign(np.array(state, dtype=variable.dtype))


def _numpy(value):
    return keras.ops.convert_to_numpy(value)
