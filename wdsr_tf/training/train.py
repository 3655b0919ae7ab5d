"""Trains the network of a TrainingConfig."""

import contextlib
import dataclasses
import random
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.importers.download import is_url, local
from wdsr_tf.system.require import require_keras
from wdsr_tf.training.config import TrainingConfig
from wdsr_tf.training.run import Run


def train(config: TrainingConfig, *, resume=None, log=print) -> Run | None:
    """Trains a network and returns the run.

    Trainings with equal configs give equal bits, whether they run in one process or in several. The dtype policy and
    the random states of Python and NumPy are afterwards what they were before.

    Args:
        config: What to train, on what, and how.
        resume: The run to continue, as a Run, a folder, or a name in `config.outdir`; True is the newest run there.
            `config` must describe the same network and optimizer.
        log: Is called with each line of progress; None for silence.

    Returns:
        The run: its folder, checkpoints and history. None in processes other than the first of several.

    Raises:
        InputError: If a setting doesn't fit the dataset or the network, there is no such run, or memory ran out.
        NotFiniteError: If the loss stays infinite or NaN.
    """
    log = log if log and not config.process_id else _silent
    if resume and not isinstance(resume, Run):
        resume = Run.find(config.outdir, None if resume is True else resume)
    if config.pretrained_model and not is_url(config.pretrained_model):
        # args.txt outlives the link OUTDIR/models, which will point to the new run
        config = dataclasses.replace(config, pretrained_model=Path(config.pretrained_model).resolve())
    batches, validation = _dataset(config, log)
    with _session(config, log) as (config, shared):
        return _train(config, shared, batches, validation, resume, log)


def find_batch(config: TrainingConfig, *, log=print) -> int:
    """Returns the largest batch size with which a training step fits into memory.

    Args:
        config: The training; its batch size, dataset and epochs don't matter.
        log: Is called with a line for each batch size that is tried; None for silence.

    Raises:
        InputError: If not even one patch per device fits.
    """
    if config.num_processes > 1:
        raise InputError("The search for a batch size takes a single process. Multiply its result by num_processes.")
    log = log or _silent
    with _session(config, log) as (config, shared):
        from wdsr_tf.training import failures
        from wdsr_tf.training.find_batch import largest_batch

        size, scale = config.lr_patch_size, config.scale
        found = largest_batch(lambda: _compiled_model(config), size, scale, first=shared.count, log=log)
        if not found:
            raise InputError(f"Not even one patch per device fits into memory. {failures.advice(1)}")
        return found


def _silent(*words):
    pass


@contextlib.contextmanager
def _session(config, log):
    """Yields the config with its precision and the devices, with Keras set up for them."""
    require_keras("Training")
    import keras
    import numpy as np

    from wdsr_tf.training import devices, precision

    shared = devices.choose(config.devices, config.coordinator, config.num_processes, config.process_id)
    if config.precision is None:
        policy, reason = precision.fastest()
        log(f"Precision: {policy}, because {reason}.")
        config = dataclasses.replace(config, precision=policy)
    before = keras.config.dtype_policy(), random.getstate(), np.random.get_state()
    try:
        keras.utils.set_random_seed(config.seed)
        keras.config.set_dtype_policy(config.precision)
        with shared.scope():
            yield config, shared
    finally:
        keras.config.set_dtype_policy(before[0])
        random.setstate(before[1])
        np.random.set_state(before[2])


def _dataset(config, log):
    """The sampler of training patches, and the validation images or the sampler of validation patches."""
    from wdsr_tf.data import assemble

    root = Path(config.dataset)
    data = assemble.Data(
        assemble.with_arrays(root, Path(config.outdir) / "cache", log) if config.degrade else root,
        config.downgrade,
        config.degrade,
        lr_patch_size=config.lr_patch_size,
        batch_size=config.batch_size,
        seed=config.seed,
        augment=config.augment,
        memory_fraction=config.memory_fraction,
        min_bytes=config.min_bytes,
        active_cropping=config.active_cropping,
        part=(config.process_id, config.num_processes),
        log=log,
    )
    batches = data.sampler("train", config.training_images, config.scales)
    if config.benchmark:
        return batches, data.full_images(config.validation_images, config.scale)
    return batches, data.sampler("valid", config.validation_images, [config.scale])


def _train(config, shared, batches, validation, resumed, log):
    from wdsr_tf.data import feed
    from wdsr_tf.training import devices, resident, trainer

    devices.check(config.batch_size, shared.count)
    model = _compiled_model(config, log)
    epoch, rows = _first_weights(config, model, batches, resumed, log)
    if config.device_resident:
        batches = resident.train_from(model, batches)
    run = None
    if shared.writes:
        run = resumed or Run.start(config.outdir, config.flag_lines())
        run.write_args(config.flag_lines())  # of a resumed run too: its config may have changed
        log(f"{model.architecture} x{model.scale}, {model.count_params():,} parameters. Writing to {run.folder}")
    copies = shared.count // config.num_processes
    trainer.fit(
        model,
        run,
        feed.endless(batches, start=epoch * config.steps_per_epoch),
        feed.full_images(validation, copies) if config.benchmark else feed.first(validation, config.validation_steps),
        epochs=config.epochs,
        steps_per_epoch=config.steps_per_epoch,
        batch_size=config.batch_size,
        initial_epoch=epoch,
        rows=rows,
        best_only=config.save_best_models_only or config.benchmark,
        after_epoch=config.save_models_after_epoch,
        log=log,
        shared=shared,
    )
    return run


def _model(config):
    from wdsr_tf.models import create_model

    own = ("num_filters", "num_res_blocks", "res_expansion", "res_scaling", "weight_norm")
    given = {name: getattr(config, name) for name in own if getattr(config, name) is not None}
    given |= config.hyperparameters
    try:
        return create_model(config.model, config.scale, **given)
    except InputError:
        raise
    except (TypeError, ValueError) as error:  # what Keras and Python make of num_filters="x"
        raise InputError(f"{config.model} cannot be built with {given}: {error}") from error


def _compiled_model(config, log=_silent):
    """The network with fresh weights, ready to train."""
    from wdsr_tf import losses
    from wdsr_tf.training import multi_scale, trainer
    from wdsr_tf.training.rematerialize import rematerialize

    model = _model(config)
    if config.print_model_summary:
        model.summary(line_length=120, print_fn=log)
    if config.rematerialize:
        log(f"Recomputing activations in {rematerialize(model)} segments.")
    trainer.compile_model(model, _optimizer(config), losses.get_loss(config.loss))
    if config.scales != [config.scale]:
        multi_scale.train_at(model, config.scales)
    return model


def _optimizer(config):
    from wdsr_tf.training.optimizers import create_optimizer
    from wdsr_tf.training.schedules import create_schedule

    schedule = create_schedule(
        config.schedule,
        config.learning_rate,
        steps=config.epochs * config.steps_per_epoch,
        steps_per_epoch=config.steps_per_epoch,
        step_size=config.learning_rate_step_size,
        decay=_decay(config),
        boundaries=sorted({*config.learning_rate_boundaries}),
        maximum=config.max_learning_rate,
        warmup_steps=config.warmup_steps,
    )
    return create_optimizer(
        config.optimizer,
        schedule,
        weight_decay=config.weight_decay,
        momentum=config.momentum,
        global_clipnorm=config.global_clipnorm,
        clipvalue=config.clipvalue,
        adjustable_clip=config.adjustable_clip,
        ema_momentum=config.ema,
    )


def _decay(config):
    """The learning rate's decay, by default what is usual with the schedule: for inverse-time, waifu2x's."""
    if config.learning_rate_decay is not None:
        return config.learning_rate_decay
    return 3e-7 * config.batch_size if config.schedule == "inverse-time" else 0.5


def _first_weights(config, model, batches, resumed, log):
    """Gives `model` its first weights; returns the epoch to begin with and the history before it."""
    import numpy as np

    from wdsr_tf.models import initialize_from_data, transfer
    from wdsr_tf.training import trainer

    if resumed and resumed.state.is_file():
        facts = trainer.restore(model, resumed.state)
        log(f"Resuming {resumed.folder} after epoch {facts['epoch']}.")
        return facts["epoch"], facts["history"]
    path = config.pretrained_model
    if config.initial_epoch:
        trainer.restore(model, local(path))
    elif path:
        taken, fresh = transfer(_pretrained(config, log), model)
        if not taken:
            raise InputError(f"{path} has no layer in common with {model.architecture}.")
        log(f"Layers from {path}: {len(taken)}. Fresh layers: {', '.join(fresh) or 'none'}.")
    elif config.num_init_batches:
        if not model.hyperparameters.get("weight_norm"):
            raise InputError("num_init_batches initializes weight normalization; turn weight normalization on.")
        if config.num_processes > 1:
            raise InputError("num_init_batches takes a single process: start with one, and continue with several.")
        initialize_from_data(model, np.concatenate([batches.batch(k)[0] for k in range(config.num_init_batches)]))
    return config.initial_epoch, []


def _pretrained(config, log):
    from wdsr_tf.importers.load import load_model, scales_of

    path = config.pretrained_model
    return load_model(path, scale=config.scale if config.scale in scales_of(path) else None, log=log)
