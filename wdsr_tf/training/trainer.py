"""Compiles, restores and fits a model; works on every backend and with any iterable of batches."""

import keras
import numpy as np

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.training import adversarial, callbacks, devices, failures
from wdsr_tf.training.log import Log
from wdsr_tf.training.metrics import PSNR, NotFiniteSteps
from wdsr_tf.training.run import check_facts
from wdsr_tf.training.validation import Validate


def compile_model(model, optimizer, loss):
    """Compiles `model` for training. Under mixed_float16 Keras adds dynamic loss scaling to the optimizer.

    XLA stays off on TensorFlow: on a CPU it costs a quarter of the speed, and it recompiles for every image size.
    The optimizer's variables are created here: if the first step creates them, TensorFlow traces it twice.

    Returns:
        The metric that counts steps whose loss isn't finite.
    """
    xla = keras.backend.backend() == "jax"
    not_finite = NotFiniteSteps()
    model.compile(optimizer=optimizer, loss=loss, metrics=[PSNR(), not_finite], jit_compile=xla)
    model.compute_loss = not_finite.watch(model.compute_loss)
    model.optimizer.build(model.trainable_variables)
    devices.share_gradients(model.optimizer)
    return not_finite


def restore(model, path):
    """Loads the weights, optimizer and random state of the checkpoint at `path` into the compiled `model`.

    A checkpoint of averaged weights has the raw ones in the optimizer, and training continues from those.

    Returns:
        The checkpoint's facts.

    Raises:
        InputError: If the checkpoint has another network, optimizer or dtype policy, or is damaged.
    """
    facts = checkpoint.load_state(model, path)
    check_facts({"epoch": 0} | facts, path)
    checkpoint.load_discriminator(path, adversarial.variables(model))
    try:
        callbacks.set_random_state(model, facts.get("random_state", []))
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{path} isn't the state of a run: its random state is damaged.") from error
    if facts.get("ema") and _averages(model.optimizer):
        callbacks.swap_averages(model)
    return facts


def fit(
    model,
    run,
    batches,
    validation,
    *,
    epochs,
    steps_per_epoch,
    batch_size,
    initial_epoch=0,
    initial_step=None,
    rows=(),
    keep=callbacks.EVERY_EPOCH,
    log=print,
    shared=devices.ONE,
    oracle=None,
):
    """Trains the compiled `model` and writes everything to `run`.

    Args:
        model: The network, compiled by `compile_model`.
        run: Where to write; None in processes that don't write.
        batches: Endless iterable of (lr, hr), from the first batch of `initial_epoch`.
        validation: What to validate on, as `validation.choose` returns it.
        epochs, steps_per_epoch, batch_size: The extent of the training.
        initial_epoch, initial_step: Numbers of epochs and steps that are done. By default, all epochs had the same
            number of steps.
        rows: The history of those epochs.
        keep: Which checkpoints to keep.
        log: Is called with a line per epoch.
        shared: The devices that train.
        oracle: The `Oracle` that chooses patches; `batches` then contains one epoch, and another in each iteration.

    Raises:
        NotFiniteError: If the loss stays infinite or NaN, or the last epoch's PSNR is.
        InputError: If memory runs out, SR stays one color, or another process of the training ends.
    """
    clock = callbacks.Clock(initial_epoch, initial_step, steps_per_epoch)
    model.facts["validation"] = f"{validation.kind}: {validation}"
    watchers = [] if oracle is None else [oracle]
    watchers += [callbacks.StopWhenNotFinite(clock), callbacks.StopWhenConstant(clock), Validate(validation)]
    if shared.writes:
        watchers.append(callbacks.Baseline(validation, log, warns=keep.by_psnr))
    if _averages(model.optimizer):
        watchers.append(callbacks.SaveAverage(run, keep.after(rows, "ema_psnr"), validation, clock))
    if shared.writes:
        progress = callbacks.Progress(epochs, clock, batch_size, log)
        shown = None if shared.several_processes else validation  # one of several can't run the network alone
        save = callbacks.SaveCheckpoints(run, keep.after(rows[:-1], "val_psnr"), rows, clock)
        watchers += [save, progress, Log(run.log, progress, shown)]
    with failures.explained(batch_size, shared.several_processes):
        trained = model.fit(
            batches,
            epochs=epochs,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch if oracle is None else None,  # then each epoch begins an iteration
            callbacks=watchers,
            shuffle=False,
            verbose=0,
        )
    if not all(np.isfinite(psnr) for psnr in trained.history.get("val_psnr", [])[-1:]):
        raise callbacks.NotFiniteError(f"The last epoch's PSNR isn't finite. {callbacks.NOT_FINITE} {failures.KEPT}")


def _averages(optimizer):
    return getattr(optimizer, "inner_optimizer", optimizer).use_ema
