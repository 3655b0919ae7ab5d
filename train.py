"""Trains a network: python train.py --profile wdsr-a-32 --scale 2

Writes OUTDIR/YYYYMMDD-HHMMSS/ with args.txt, models/, log/, history.csv and curve.png; OUTDIR/models points at the
newest run's models. `--resume` continues the newest run, `--resume RUN` a named one, to the bit as without a break.
"""

import sys
from pathlib import Path

from absl import app, flags

from wdsr_tf.commands import flags as cli
from wdsr_tf.errors import InputError

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "profile", None, "File of flags: a name in profiles/ or a path; what is typed wins.", short_name="p"
)
flags.DEFINE_string("outdir", "./output", "Where runs are written.", short_name="o")
flags.DEFINE_bool("resume", False, "Continue the newest run under --outdir, or the run named behind it.")

# Data
flags.DEFINE_string(
    "dataset", "./DIV2K_BIN", "What convert.py wrote; with --degrade also any folder of pictures.", short_name="d"
)
flags.DEFINE_integer("scale", 2, "Factor between LR and HR.", lower_bound=1, short_name="s")
flags.DEFINE_list("training_scales", None, "Several scales to train, such as 2,3,4; each step takes one of them.")
flags.DEFINE_string("downgrade", "bicubic", "How LR was made: bicubic, bicubic_jpeg_90, unknown, ...")
flags.DEFINE_string(
    "degrade", None, "Make LR from HR in training: a recipe of wdsr_tf/data/degrade.py, such as seed-000,level=1."
)
flags.DEFINE_integer("min_bytes", 0, "With --degrade: prefer patches whose LR has so many bytes as PNG.", lower_bound=0)
flags.DEFINE_float("active_cropping", 0.0, "With --degrade: the part of patches that lie on details.", 0.0, 1.0)
flags.DEFINE_string("training_images", None, "Inclusive range of ids, such as 1-800; default: all.")
flags.DEFINE_string("validation_images", None, "Inclusive range of ids, such as 801-900; default: all.")
flags.DEFINE_integer("lr_patch_size", 48, "Side of a training patch, in LR pixels.", lower_bound=1)
flags.DEFINE_integer("batch_size", 16, "Patches per step.", lower_bound=1)
flags.DEFINE_bool("augment", True, "Flip and rotate patches.")
flags.DEFINE_bool("device_resident", False, "Keep the training pictures in the device's memory and cut patches there.")
flags.DEFINE_float("memory_fraction", 0.5, "Load the set whole if it fits in this part of free memory.", 0.0, 1.0)

# Network
flags.DEFINE_string("model", "wdsr-b", "Network; docs/models.md lists them.", short_name="m")
flags.DEFINE_integer(
    "num_filters", None, "Width of the body; default: the network's own, as for all below.", lower_bound=1
)
flags.DEFINE_integer("num_res_blocks", None, "Residual blocks of the body.", lower_bound=1)
flags.DEFINE_integer("res_expansion", None, "Widening before the ReLU of WDSR.", lower_bound=1)
flags.DEFINE_float("res_scaling", None, "Factor on residual branches.")
flags.DEFINE_bool("weightnorm", None, "Weight normalization.")
flags.DEFINE_multi_string("set", [], "Any other hyperparameter, as name=value; may be given several times.")
flags.DEFINE_integer(
    "num_init_batches", 0, "Batches for the data-based start of weight normalization; 0: none.", lower_bound=0
)
flags.DEFINE_string("pretrained_model", None, "Checkpoint to take weights from, by layer name.")
flags.DEFINE_integer(
    "initial_epoch", 0, "Continue --pretrained-model, optimizer included, behind this epoch.", lower_bound=0
)
flags.DEFINE_bool("print_model_summary", False, "Print the network's layers.")

# Optimization
flags.DEFINE_integer("epochs", 300, "Epochs in all.", lower_bound=1)
flags.DEFINE_integer("steps_per_epoch", 1000, "Steps of an epoch.", lower_bound=1)
flags.DEFINE_alias("iterations_per_epoch", "steps_per_epoch")
flags.DEFINE_string("loss", "mae", "mae, mse, ...: wdsr_tf/losses.py lists them.")
flags.DEFINE_enum("optimizer", "adam", ["adam", "amsgrad", "adamw", "sgd"], "How gradients become steps.")
flags.DEFINE_float("learning_rate", 1e-3, "At the start.", lower_bound=0)
flags.DEFINE_enum(
    "schedule",
    "step",
    ["step", "multi-step", "cosine", "triangular", "inverse-time", "constant"],
    "Course of the learning rate.",
)
flags.DEFINE_integer(
    "learning_rate_step_size", 200, "Epochs between two steps; half a period of triangular.", lower_bound=1
)
flags.DEFINE_list("learning_rate_boundaries", [], "Epochs behind which multi-step takes its steps, such as 20,25.")
flags.DEFINE_float(
    "learning_rate_decay",
    None,
    "Factor of a step, by default 0.5; decay per step of inverse-time, by default 3e-7 for each of its patches.",
    lower_bound=0,
)
flags.DEFINE_float("max_learning_rate", None, "Peak of triangular; default: four times --learning-rate.", lower_bound=0)
flags.DEFINE_integer("warmup_steps", 0, "Steps that grow linearly to --learning-rate.", lower_bound=0)
flags.DEFINE_float("weight_decay", 0.0, "L2 in the gradient; decoupled in adamw.", lower_bound=0)
flags.DEFINE_float("momentum", 0.9, "Of sgd.", 0.0, 1.0)
flags.DEFINE_float("global_clipnorm", None, "Clips the norm of all gradients together; 0: not.", lower_bound=0)
flags.DEFINE_float("clipvalue", None, "Clips every gradient's value; 0: not.", lower_bound=0)
flags.DEFINE_float(
    "adjustable_clip", None, "sgd: clips the gradients' norm to this over the learning rate; 0: not.", lower_bound=0
)
flags.DEFINE_float(
    "ema", None, "Momentum of a moving average of the weights, such as 0.999; validated and saved too.", 0.0, 1.0
)
flags.DEFINE_enum(
    "precision", None, ["float32", "mixed_float16", "mixed_bfloat16"], "Default: float32 on CPU, mixed_float16 on GPU."
)
flags.DEFINE_bool("rematerialize", False, "Store few of a step's tensors and compute the others twice: less memory.")
flags.DEFINE_integer("seed", 0, "Of everything random.", lower_bound=0, upper_bound=2**32 - 1)

# Devices
flags.DEFINE_string("devices", None, "How many devices share each batch, or all; default: one.")
flags.DEFINE_integer("num_processes", 1, "Processes that train together, on one or several machines.", lower_bound=1)
flags.DEFINE_integer("process_id", 0, "Which of them this is; 0 alone writes and prints.", lower_bound=0)
flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0, on which it listens.")
flags.DEFINE_bool("find_batch", False, "Do not train, but find the largest --batch-size that fits into memory.")

# Validation and checkpoints
flags.DEFINE_integer("validation_steps", 100, "Random validation batches per epoch.", lower_bound=1)
flags.DEFINE_bool("benchmark", False, "Validate on full-size images; keep only what improves.")
flags.DEFINE_bool("save_best_models_only", False, "Keep a checkpoint only when validation PSNR improves.")
flags.DEFINE_integer("save_models_after_epoch", 0, "Keep none up to this epoch.", lower_bound=0)

cli.define_retired("use_multiprocessing", "the input pipeline runs in threads", flags.DEFINE_bool)
cli.define_retired("num_workers", "the input pipeline runs in threads")
cli.define_retired("max_queue_size", "the input pipeline reads ahead by itself")
cli.define_retired("gpu_memory_fraction", "frameworks take GPU memory as they need it")

# Flags that have an effect in some trainings alone: names, whether in this one, and what they belong to.
PARTIAL = [
    (["downgrade"], lambda: FLAGS.benchmark or not (FLAGS.degrade or is_store()), "LR pictures that a dataset has"),
    (["min_bytes", "active_cropping"], lambda: FLAGS.degrade, "--degrade"),
    (["memory_fraction"], lambda: not is_store(), "pictures, not to a store of patches"),
    (["validation_steps"], lambda: not FLAGS.benchmark, "validation on patches, without --benchmark"),
    (["num_init_batches"], lambda: not FLAGS.pretrained_model, "fresh weights, without --pretrained-model"),
    (["initial_epoch"], lambda: FLAGS.pretrained_model, "--pretrained-model; to continue a run use --resume"),
    (["process_id", "coordinator"], lambda: FLAGS.num_processes > 1, "--num-processes"),
    (["momentum", "adjustable_clip"], lambda: FLAGS.optimizer == "sgd", "--optimizer=sgd"),
    (["max_learning_rate"], lambda: FLAGS.schedule == "triangular", "--schedule=triangular"),
    (["learning_rate_boundaries"], lambda: FLAGS.schedule == "multi-step", "--schedule=multi-step"),
    (["learning_rate_step_size"], lambda: FLAGS.schedule in ("step", "triangular"), "--schedule=step or triangular"),
    (
        ["learning_rate_decay"],
        lambda: FLAGS.schedule in ("step", "multi-step", "inverse-time"),
        "--schedule=step, multi-step or inverse-time",
    ),
]


def _say_nothing(*words):
    """In place of `cli.say`."""


def main(argv):
    from wdsr_tf.training.run import Run

    resumed = Run.find(FLAGS.outdir, *argv[1:2]) if FLAGS.resume else None
    if resumed:
        cli.replay(resumed.args)
    elif argv[1:]:
        raise InputError(f"{argv[1]!r} is not a flag; only --resume takes a name behind it")
    check_partial()
    if FLAGS.find_batch:
        return find_batch()

    data = training_data()
    batches = data.sampler("train", FLAGS.training_images, training_scales())
    if FLAGS.benchmark:
        validation = data.full_images(FLAGS.validation_images, FLAGS.scale)
    else:
        validation = data.sampler("valid", FLAGS.validation_images, [FLAGS.scale])

    shared = devices()  # takes seconds: only now that the data are known to be good
    with shared.scope():
        train(batches, validation, resumed, shared)


def train(batches, validation, resumed, shared):
    """Trains on the devices `shared`: a new run, or the run `resumed` behind what it has done."""
    from wdsr_tf.data import feed
    from wdsr_tf.training import resident, trainer
    from wdsr_tf.training.run import Run

    say = cli.say if shared.writes else _say_nothing
    model = compiled_network(say)
    epoch, rows = prepare(model, batches, resumed, say)
    if FLAGS.device_resident:
        batches = resident.train_from(model, batches)
    if FLAGS.pretrained_model:  # args.txt outlives OUTDIR/models, which the new run turns to itself
        FLAGS.pretrained_model = str(Path(FLAGS.pretrained_model).resolve())
    run = None
    if shared.writes:
        args = cli.effective_flags(leave_out=("profile", "resume"))
        run = resumed or Run.start(FLAGS.outdir, args)
        run.write_args(args)  # of a run that is resumed, too: with what was typed beside --resume
        say(f"{model.architecture} x{model.scale}, {model.count_params():,} parameters; writes {run.folder}")

    copies = shared.count // FLAGS.num_processes
    trainer.fit(
        model,
        run,
        feed.endless(batches, start=epoch * FLAGS.steps_per_epoch),
        feed.full_images(validation, copies) if FLAGS.benchmark else feed.first(validation, FLAGS.validation_steps),
        epochs=FLAGS.epochs,
        steps_per_epoch=FLAGS.steps_per_epoch,
        batch_size=FLAGS.batch_size,
        initial_epoch=epoch,
        rows=rows,
        best_only=FLAGS.save_best_models_only or FLAGS.benchmark,
        after_epoch=FLAGS.save_models_after_epoch,
        log=say,
        shared=shared,
    )


def find_batch():
    """Prints what steps of ever larger batches take, and the largest --batch-size that fits."""
    if FLAGS.num_processes > 1:
        raise InputError("--find-batch is for one process: leave --num-processes out, and multiply what it finds")
    shared = devices()
    from wdsr_tf.training import failures
    from wdsr_tf.training.find_batch import find_batch

    with shared.scope():
        largest = find_batch(compiled_network, FLAGS.lr_patch_size, FLAGS.scale, first=shared.count, say=cli.say)
    if not largest:
        raise InputError(f"not even one patch a device fits into memory. {failures.advice(1)}")
    cli.say(f"the largest that fits is --batch-size={largest}")


def devices():
    """Loads Keras and sets it up; returns the devices that train."""
    cli.load_keras()
    import keras

    from wdsr_tf.training import devices, trainer

    shared = devices.choose(FLAGS.devices, FLAGS.coordinator, FLAGS.num_processes, FLAGS.process_id)
    if not FLAGS.find_batch:
        devices.check(FLAGS.batch_size, shared.count)
    keras.utils.set_random_seed(FLAGS.seed)
    keras.config.set_dtype_policy(FLAGS.precision or trainer.default_precision())
    return shared


def check_partial():
    """Refuses flags that were typed and have no effect; says of a profile's that they are ignored.

    What says no (0, empty) needs no effect, and neither do defaults, all of which stand in args.txt.
    """
    for names, has_effect, belongs in PARTIAL:
        for flag in (FLAGS[name] for name in names if FLAGS[name].value and not has_effect()):
            spelt = "--" + flag.name.replace("_", "-")
            if cli.is_typed(flag.name):
                raise InputError(f"{spelt} has no effect here: it belongs to {belongs}")
            if flag.value != flag.default:
                print(f"{spelt} is ignored: it belongs to {belongs}", file=sys.stderr)


def is_store():
    """Whether --dataset is a store of patches."""
    return Path(FLAGS.dataset).is_file()


def training_data():
    """What --dataset holds, and how patches are taken from it."""
    from wdsr_tf.data import assemble

    if FLAGS.process_id >= FLAGS.num_processes:
        raise InputError(f"--process-id={FLAGS.process_id}: the {FLAGS.num_processes} processes count from 0")
    if FLAGS.num_processes > 1 and not FLAGS.coordinator:
        raise InputError("--num-processes needs --coordinator=HOST:PORT, where process 0 is found")
    root, say = Path(FLAGS.dataset), _say_nothing if FLAGS.process_id else cli.say
    return assemble.Data(
        assemble.with_arrays(root, Path(FLAGS.outdir) / "cache", say) if FLAGS.degrade else root,
        FLAGS.downgrade,
        FLAGS.degrade,
        lr_patch_size=FLAGS.lr_patch_size,
        batch_size=FLAGS.batch_size,
        seed=FLAGS.seed,
        augment=FLAGS.augment,
        memory_fraction=FLAGS.memory_fraction,
        min_bytes=FLAGS.min_bytes,
        active_cropping=FLAGS.active_cropping,
        part=(FLAGS.process_id, FLAGS.num_processes),
        log=say,
    )


def training_scales():
    """The scales of --training-scales, or the one of --scale."""
    words = FLAGS.training_scales or [str(FLAGS.scale)]
    if not all(word.isdecimal() and int(word) for word in words):
        raise InputError(f"--training-scales takes whole factors such as 2,3,4, not {','.join(words)!r}")
    return sorted(set(map(int, words)))


def network():
    """The network with the hyperparameters that were given; all others keep the network's own defaults."""
    from wdsr_tf.models import create_model

    own = {
        "num_filters": FLAGS.num_filters,
        "num_res_blocks": FLAGS.num_res_blocks,
        "res_expansion": FLAGS.res_expansion,
        "res_scaling": FLAGS.res_scaling,
        "weight_norm": FLAGS.weightnorm,
    }
    given = {name: value for name, value in own.items() if value is not None}
    given |= dict(map(cli.setting, FLAGS.set))
    try:
        return create_model(FLAGS.model, FLAGS.scale, **given)
    except InputError:
        raise
    except (TypeError, ValueError) as error:  # what Keras and Python make of `--set num_filters=x`
        raise InputError(f"{FLAGS.model} cannot be built with {given}: {error}") from error


def compiled_network(say=_say_nothing):
    """The network with fresh weights, ready to train."""
    from wdsr_tf import losses
    from wdsr_tf.training import multi_scale, trainer
    from wdsr_tf.training.rematerialize import rematerialize

    model = network()
    if FLAGS.print_model_summary:
        model.summary(line_length=120, print_fn=say)
    if FLAGS.rematerialize:
        say(f"computes twice what it does not store, in {rematerialize(model)} segments")
    trainer.compile_model(model, optimizer(), losses.get_loss(FLAGS.loss))
    if training_scales() != [FLAGS.scale]:
        multi_scale.train_at(model, training_scales())
    return model


def prepare(model, batches, resumed, say):
    """Gives `model` its first weights; returns the epoch to begin with and the history before it."""
    import numpy as np

    from wdsr_tf import checkpoint
    from wdsr_tf.models import initialize_from_data, transfer
    from wdsr_tf.training import trainer

    if resumed and resumed.state.is_file():
        facts = trainer.restore(model, resumed.state)
        say(f"resumes {resumed.folder} behind epoch {facts['epoch']}")
        return facts["epoch"], facts["history"]
    if FLAGS.initial_epoch:
        trainer.restore(model, FLAGS.pretrained_model)
    elif FLAGS.pretrained_model:
        taken, fresh = transfer(checkpoint.load(FLAGS.pretrained_model), model)
        say(f"taken from {FLAGS.pretrained_model}: {len(taken)} layers; fresh: {', '.join(fresh) or 'none'}")
        if not taken:
            raise InputError(f"{FLAGS.pretrained_model} has no layer in common with {model.architecture}")
    elif FLAGS.num_init_batches:
        if not model.hyperparameters.get("weight_norm"):
            raise InputError("--num-init-batches starts weight normalization from data: it needs --weightnorm")
        if FLAGS.num_processes > 1:
            raise InputError("--num-init-batches is for one process: start with one, and go on with --pretrained-model")
        initialize_from_data(model, np.concatenate([batches.batch(k)[0] for k in range(FLAGS.num_init_batches)]))
    return FLAGS.initial_epoch, []


def optimizer():
    """The optimizer with its schedule, as the flags want it."""
    from wdsr_tf.training.optimizers import create_optimizer
    from wdsr_tf.training.schedules import create_schedule

    schedule = create_schedule(
        FLAGS.schedule,
        FLAGS.learning_rate,
        steps=FLAGS.epochs * FLAGS.steps_per_epoch,
        steps_per_epoch=FLAGS.steps_per_epoch,
        step_size=FLAGS.learning_rate_step_size,
        decay=decay(),
        boundaries=boundaries(),
        maximum=FLAGS.max_learning_rate,
        warmup_steps=FLAGS.warmup_steps,
    )
    return create_optimizer(
        FLAGS.optimizer,
        schedule,
        weight_decay=FLAGS.weight_decay,
        momentum=FLAGS.momentum,
        global_clipnorm=FLAGS.global_clipnorm,
        clipvalue=FLAGS.clipvalue,
        adjustable_clip=FLAGS.adjustable_clip,
        ema_momentum=FLAGS.ema,
    )


def decay():
    """--learning-rate-decay, or what is usual with the schedule: that of inverse-time is waifu2x's."""
    if FLAGS.learning_rate_decay is not None:
        return FLAGS.learning_rate_decay
    return 3e-7 * FLAGS.batch_size if FLAGS.schedule == "inverse-time" else 0.5


def boundaries():
    """--learning-rate-boundaries as numbers."""
    words = FLAGS.learning_rate_boundaries
    if not all(word.isdecimal() and int(word) for word in words):
        raise InputError(f"--learning-rate-boundaries takes epochs such as 20,25, not {','.join(words)!r}")
    return sorted(set(map(int, words)))


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
