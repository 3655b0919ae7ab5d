"""Trains the network of a TrainingConfig."""

import contextlib
import dataclasses
import json
import random
from pathlib import Path

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError, line
from wdsr_tf.importers.download import is_url, local
from wdsr_tf.system.require import require_keras
from wdsr_tf.training.config import HYPERPARAMETERS, TrainingConfig
from wdsr_tf.training.run import Run, check_facts

FILES = ("pretrained_model", "pretrained_discriminator", "vgg_weights", "teacher")  # settings that name one, or its URL


def train(config: TrainingConfig, *, resume=None, log=print) -> Run | None:
    """Trains a network and returns the run.

    Trainings with equal configs give equal bits, whether they run in one process or in several. The dtype policy and
    the random states of Python and NumPy are afterwards what they were before.

    Args:
        config: What to train, on what, and how.
        resume: The run to continue, as a Run, a folder, or a name in `config.outdir`; True is the newest run there that
            can be resumed. `config` must describe the same network and optimizer. If its steps_per_epoch differs, the
            schedule continues at the resumed epoch.
        log: Is called with each line of progress; None for silence.

    Returns:
        The run: its folder, checkpoints and history. None in processes other than the first of several.

    Raises:
        InputError: If a setting doesn't fit the dataset or the network, there is no such run, another process trains
            it, memory ran out, or perceptual or adversarial training ends in images of one color.
        NotFiniteError: If the loss stays infinite or NaN.
    """
    log = log if log and not config.process_id else _silent
    if resume and not isinstance(resume, Run):
        resume = Run.find(config.outdir, None if resume is True else resume, log)
    # args.txt outlives the link OUTDIR/models, which will point to the new run, and the working folder
    files = {name: getattr(config, name) for name in FILES}
    resolved = {name: Path(path).resolve() for name, path in files.items() if path and not is_url(path)}
    config = dataclasses.replace(config, **resolved)
    data, batches = _dataset(config, log)
    with _session(config, log) as (config, shared), contextlib.ExitStack() as held:
        return _train(config, shared, data, batches, resume, log, held)


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


def dry_run(config: TrainingConfig, *, log=print) -> None:
    """Trains a few steps without writing a run, and tells what the training would take.

    Args:
        config: The training.
        log: Is called with each line: the network, seconds per step, memory, and the expected hours.

    Raises:
        InputError: As `train`.
    """
    log = log or _silent
    data, batches = _dataset(config, log)
    with _session(config, log) as (config, shared):
        from wdsr_tf.training import failures, validation
        from wdsr_tf.training.find_batch import cost

        model = _compiled_model(config, log)
        log(f"{model.architecture} x{model.scale}, {model.count_params():,} parameters.")
        with failures.explained(config.batch_size, shared.several_processes):
            seconds, peak = cost(model, batches)
        images = config.batch_size / seconds
        log(f"A step of {config.batch_size} patches takes {seconds:.3f} s: {images:.0f} images/s.")
        if peak:
            log(f"This process uses {peak / 2**30:.1f} GiB of memory at most.")
        hours = config.epochs * config.steps_per_epoch * seconds / 3600
        log(f"{config.epochs} epochs of {config.steps_per_epoch} steps take about {hours:.1f} hours, plus validation.")
        log(f"Validation: {validation.choose(config, data, None, log)}.")


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
    if shared.count > 1 and not config.is_ranked_by_psnr and keras.backend.backend() == "tensorflow":
        raise InputError(
            "With perceptual and adversarial losses, TensorFlow sometimes confuses what several devices exchange. "
            "Train on one device, or on JAX (KERAS_BACKEND=jax)."
        )
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
    """The dataset, and the sampler of its training patches."""
    from wdsr_tf.data import assemble
    from wdsr_tf.data.variations import Variations

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
        variations=Variations(config.half_size, config.color_noise, config.overlay, config.unsharp_mask),
        part=(config.process_id, config.num_processes),
        log=log,
    )
    return data, data.sampler("train", config.training_images, config.scales)


def _train(config, shared, data, batches, resumed, log, held):
    from wdsr_tf.data import feed
    from wdsr_tf.training import callbacks, devices, oracle, resident, samples, trainer, validation

    devices.check(config.batch_size, shared.count)
    if resumed and shared.writes:
        held.enter_context(resumed.locked())
    done = _done(config, resumed)
    keep = callbacks.Keep(
        best_only=config.save_best_models_only or config.benchmark,
        after_epoch=config.save_models_after_epoch,
        every=config.save_models_every,
        by_psnr=config.is_ranked_by_psnr,
    )
    if resumed and done.get("epoch", 0) >= config.epochs:
        if shared.writes:
            callbacks.restore(resumed, keep.after(done["history"][:-1], "val_psnr"), done["history"])
        log(f"{resumed.folder} has finished its {done['epoch']} epochs. To train it longer, set more epochs.")
        return resumed if shared.writes else None
    if done:
        _check_recipe(config, done["source"])
    model = _compiled_model(config, log, done)
    recorded = done.get("validation") if resumed else None
    validated = validation.choose(config, data, recorded, log)
    config = dataclasses.replace(config, validation=validated.kind)
    if recorded and recorded != validated.kind:
        log(f"Validation was on {recorded}, and is on {validated.kind} now: figures before and after don't compare.")
    rows = _first_weights(config, model, batches, resumed, done, log)
    epoch, step = done.get("epoch", 0), done.get("steps", 0)
    drawn, hard = batches, None
    if config.device_resident:
        batches = resident.train_from(model, batches)
    if config.oracle_rate:
        rates = config.oracle_rate, config.oracle_drop_rate
        hard = oracle.Oracle(model, batches, config.steps_per_epoch, *rates, step, done.get("oracle", []))
    run = None
    if shared.writes:
        run = resumed or Run.start(config.outdir, config.flag_lines())
        if not resumed:
            held.enter_context(run.locked())
        elif not run.is_linked:  # it was killed before
            run.link()
        run.write_args(config.flag_lines())  # of a resumed run too: its config may have changed
        if config.write_samples:
            samples.write(run.folder / "samples", drawn, config.write_samples)
            log(f"Training patches, LR beside HR: {run.folder / 'samples'}")
        log(f"{model.architecture} x{model.scale}, {model.count_params():,} parameters. Writing to {run.folder}")
        log(f"Validation: {validated}.")
        if not run.is_linked:
            log(f"This file system has no links: {run.folder.parent / 'models.txt'} names the newest run's models.")
    trainer.fit(
        model,
        run,
        feed.epoch(hard.sampler) if hard else feed.endless(batches, start=step),
        validated,
        epochs=config.epochs,
        steps_per_epoch=config.steps_per_epoch,
        batch_size=config.batch_size,
        initial_epoch=epoch,
        initial_step=step,
        rows=rows,
        keep=keep,
        log=log,
        shared=shared,
        oracle=hard,
    )
    return run


def _done(config, resumed):
    """The epochs and steps that are done, as the checkpoint to go on from records them; {} if there is none."""
    if resumed and resumed.state.is_file():
        source, facts = resumed.state, resumed.facts()
    elif config.initial_epoch:
        source = local(config.pretrained_model)
        facts = {"epoch": config.initial_epoch} | checkpoint.read_config(source).get("facts", {})
        check_facts(facts, source)
    else:
        return {}
    steps_per_epoch = facts.get("steps_per_epoch", config.steps_per_epoch)
    steps = facts.get("steps", facts["epoch"] * steps_per_epoch)
    done = {"source": source, "epoch": facts["epoch"], "steps": steps, "steps_per_epoch": steps_per_epoch}
    done |= {"validation": facts.get("validation", "").partition(":")[0], "history": facts.get("history", [])}
    return done | {"teacher": facts.get("teacher"), "oracle": facts.get("oracle", [])}


def _check_recipe(config, source):
    """Raises InputError if the checkpoint `source` is of another network than `config` describes.

    Before that one is built: the args.txt of somebody else's run may describe one that no memory holds.
    """
    saved = checkpoint.read_config(source)
    recipe = {"model": saved["architecture"], "scale": saved["scale"], **saved["hyperparameters"]}
    given = {"model": config.model, "scale": config.scale, **_hyperparameters(config)}
    if other := {name: value for name, value in given.items() if name not in recipe or _plain(value) != recipe[name]}:
        raise InputError(f"{source} contains {line(recipe)}, but the settings describe {line(other)}.")


def _plain(value):
    """The value as JSON keeps it."""
    return json.loads(json.dumps(value, default=str))


def _hyperparameters(config):
    """The hyperparameters that `config` sets."""
    return {
        name: getattr(config, name) for name in HYPERPARAMETERS if getattr(config, name) is not None
    } | config.hyperparameters


def _model(config):
    from wdsr_tf.models import create_model

    given = _hyperparameters(config)
    try:
        return create_model(config.model, config.scale, **given)
    except InputError:
        raise
    except (TypeError, ValueError) as error:  # what Keras and Python make of num_filters="x"
        raise InputError(f"{config.model} cannot be built with {given}: {error}") from error


def _compiled_model(config, log=_silent, done=None):
    """The network with fresh weights, ready to train, with a schedule that continues after what is `done`."""
    from wdsr_tf import losses
    from wdsr_tf.training import multi_scale, optimizers, teacher, trainer
    from wdsr_tf.training.rematerialize import rematerialize

    model = _model(config)
    if config.print_model_summary:
        model.summary(line_length=120, print_fn=log)
    if config.rematerialize:
        log(f"Recomputing activations in {rematerialize(model)} segments.")
    if config.teacher:
        teacher.distill(model, config, log, (done or {}).get("teacher"))
    optimizer = optimizers.for_training(config, config.learning_rate, done, config.ema)
    if config.is_ranked_by_psnr:
        trainer.compile_model(model, optimizer, losses.get_loss(config.loss))
    else:
        from wdsr_tf.training import adversarial, objective

        rate = config.discriminator_learning_rate
        rate = config.learning_rate if rate is None else rate
        not_finite = trainer.compile_model(model, adversarial.guarded(optimizer), losses.get_loss(config.loss))
        objective.attach(config, model, not_finite, optimizers.for_training(config, rate, done), log)
    if config.scales != [config.scale]:
        multi_scale.train_at(model, config.scales)
    return model


def _first_weights(config, model, batches, resumed, done, log):
    """Gives `model` its first weights; returns the history before them."""
    import numpy as np

    from wdsr_tf.models import initialize_from_data, transfer
    from wdsr_tf.training import trainer

    path = config.pretrained_model
    if done:
        facts = trainer.restore(model, done["source"])
        from_state = resumed and done["source"] == resumed.state
        log(f"Resuming {resumed.folder if from_state else path} after epoch {done['epoch']}.")
        if not from_state and done["epoch"] != config.initial_epoch:
            log(f"It records {done['epoch']} epochs, not {config.initial_epoch}, so the schedule continues there.")
        if facts.get("ema"):
            log("It contains averaged weights. Training continues from the raw weights that it contains too.")
        if done["steps_per_epoch"] != config.steps_per_epoch:
            log(
                f"Epochs had {done['steps_per_epoch']} steps; from epoch {done['epoch'] + 1} on, they have "
                f"{config.steps_per_epoch}. The learning rate continues where it was, by epochs."
            )
        return facts.get("history", []) if from_state else []
    if resumed:
        log(f"{resumed.folder} has no state, because its first epoch didn't end. Starting from the beginning.")
    if path:
        source = _pretrained(config, log)
        taken, fresh = transfer(source, model)
        if not taken:
            raise InputError(
                f"{path} contains {source.architecture}, which has no layer in common with {model.architecture}. "
                "Train that network, or start from another file."
            )
        log(f"Layers from {path}: {len(taken)}. Fresh layers: {', '.join(fresh) or 'none'}.")
    elif config.num_init_batches:
        if not model.hyperparameters.get("weight_norm"):
            raise InputError("num_init_batches initializes weight normalization; turn weight normalization on.")
        if config.num_processes > 1:
            raise InputError("num_init_batches takes a single process: start with one, and continue with several.")
        initialize_from_data(model, np.concatenate([batches.batch(k)[0] for k in range(config.num_init_batches)]))
    if config.adversarial and not path:
        log(
            "Adversarial training from fresh weights seldom succeeds: start from a network trained by PSNR, as "
            "pretrained_model."
        )
    return []


def _pretrained(config, log):
    from wdsr_tf.importers.load import load_model, scales_of

    path = config.pretrained_model
    return load_model(path, scale=config.scale if config.scale in scales_of(path) else None, log=log)
