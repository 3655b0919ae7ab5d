"""One training, around `keras.Model.fit`; works on every backend and with any iterable of batches."""

import keras

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.training import callbacks, devices, failures
from wdsr_tf.training.log import Log
from wdsr_tf.training.metrics import PSNR, NotFiniteSteps


def default_precision():
    """mixed_float16 where there is a GPU, else float32: half precision trains twelve times slower on a CPU."""
    device = keras.distribution.list_devices()[0]
    return "mixed_float16" if device.startswith("gpu") else "float32"


def compile_model(model, optimizer, loss):
    """Compiles for training. Under mixed_float16 Keras wraps the optimizer in dynamic loss scaling.

    XLA stays off on TensorFlow: on a CPU it costs a quarter of the speed, and it compiles anew for every picture size.
    """
    xla = keras.backend.backend() == "jax"
    not_finite = NotFiniteSteps()
    model.compile(optimizer=optimizer, loss=loss, metrics=[PSNR(), not_finite], jit_compile=xla)
    model.compute_loss = not_finite.watch(model.compute_loss)
    devices.share_gradients(model.optimizer)


def restore(model, path):
    """Puts the weights, optimizer and random state of the checkpoint at `path` into the compiled `model`.

    Returns the checkpoint's facts. The optimizer has to be of the same kind and the dtype policy the same.
    """
    saved = checkpoint.load(path, compile=True)
    if saved.recipe != model.recipe:
        raise InputError(f"{path} holds {saved.recipe}; these flags ask for {model.recipe}")
    model.set_weights(saved.get_weights())
    model.optimizer.build(model.trainable_variables)
    ours, theirs = model.optimizer.variables, saved.optimizer.variables if saved.optimizer else []
    if [(v.shape, v.dtype) for v in ours] != [(v.shape, v.dtype) for v in theirs]:
        raise InputError(f"{path} was trained with another optimizer or precision: its state does not fit")
    for variable, value in zip(ours, theirs, strict=True):
        variable.assign(value)
    callbacks.set_random_state(model, saved.facts.get("random_state", []))
    return saved.facts


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
    rows=(),
    best_only=False,
    after_epoch=0,
    say=print,
    shared=devices.ONE,
):
    """Trains the compiled `model` from epoch `initial_epoch` (0-based) to `epochs` and writes everything to `run`.

    `batches` yields (lr, hr) endlessly and begins with the first batch of `initial_epoch`; `validation` is finite and
    can be read again. `rows` is the history of the epochs before. Checkpoints are kept for epochs past `after_epoch`,
    or only for those of them that improve validation PSNR. `shared` are the devices that train; of several processes
    one alone writes, and the `run` of the others may be None. Raises NotFiniteError where the loss stays not finite,
    and InputError where memory is at its end or another process is.
    """

    def keep(column, rows):
        best = max((row[column] for row in rows if row["epoch"] > after_epoch), default=float("-inf"))
        return callbacks.Keep(best_only, after_epoch, best)

    watchers = [callbacks.StopWhenNotFinite(steps_per_epoch)]
    if _averages(model.optimizer):
        watchers.append(callbacks.SaveAverage(run, keep("ema_psnr", rows), validation))
    if shared.writes:
        progress = callbacks.Progress(epochs, steps_per_epoch, batch_size, initial_epoch, say)
        shown = None if shared.several_processes else validation  # one of several cannot run the network alone
        save = callbacks.SaveCheckpoints(run, keep("val_psnr", rows[:-1]), rows)
        watchers += [save, progress, Log(run.log, progress, shown)]
    with failures.explained(batch_size, shared.several_processes):
        return model.fit(
            batches,
            validation_data=validation,
            epochs=epochs,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            callbacks=watchers,
            shuffle=False,
            verbose=0,
        )


def _averages(optimizer):
    return getattr(optimizer, "inner_optimizer", optimizer).use_ema
