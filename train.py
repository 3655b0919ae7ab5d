"""Trains a network: python train.py --profile wdsr-a-32 --scale 2

Writes OUTDIR/YYYYMMDD-HHMMSS/ with args.txt, models/, log/ and history.csv; OUTDIR/models points at the newest run's
models. `--resume` continues the newest run, `--resume RUN` a named one, to the bit as if it had not been interrupted.
"""

import sys
from pathlib import Path

from absl import app, flags

from wdsr_tf import cli
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


def main(argv):
    from wdsr_tf.training.run import Run

    resumed = Run.find(FLAGS.outdir, *argv[1:2]) if FLAGS.resume else None
    if resumed:
        cli.replay(resumed.args)
    elif argv[1:]:
        raise InputError(f"{argv[1]!r} is not a flag; only --resume takes a name behind it")
    check_partial()

    root = dataset()
    batches = sampler(root, "train", FLAGS.training_images, training_scales())
    validation = (
        full_images(root) if FLAGS.benchmark else sampler(root, "valid", FLAGS.validation_images, [FLAGS.scale])
    )

    cli.load_keras()  # seconds: only now that the data are known to be good
    import keras

    from wdsr_tf.data import feed
    from wdsr_tf.training import trainer
    from wdsr_tf.training.rematerialize import rematerialize

    keras.utils.set_random_seed(FLAGS.seed)
    keras.config.set_dtype_policy(FLAGS.precision or trainer.default_precision())

    model = network()
    if FLAGS.print_model_summary:
        model.summary(line_length=120)
    if FLAGS.rematerialize:
        cli.say(f"computes twice what it does not store, in {rematerialize(model)} segments")
    epoch, rows = prepare(model, batches, resumed)
    if FLAGS.pretrained_model:  # args.txt outlives OUTDIR/models, which the new run turns to itself
        FLAGS.pretrained_model = str(Path(FLAGS.pretrained_model).resolve())
    args = cli.effective_flags(leave_out=("profile", "resume"))
    if resumed:
        run = resumed
        run.write_args(args)  # with what was typed beside --resume
    else:
        run = Run.start(FLAGS.outdir, args)
    cli.say(f"{model.architecture} x{model.scale}, {model.count_params():,} parameters; writes {run.folder}")

    trainer.fit(
        model,
        run,
        feed.endless(batches, start=epoch * FLAGS.steps_per_epoch),
        feed.full_images(validation) if FLAGS.benchmark else feed.first(validation, FLAGS.validation_steps),
        epochs=FLAGS.epochs,
        steps_per_epoch=FLAGS.steps_per_epoch,
        batch_size=FLAGS.batch_size,
        initial_epoch=epoch,
        rows=rows,
        best_only=FLAGS.save_best_models_only or FLAGS.benchmark,
        after_epoch=FLAGS.save_models_after_epoch,
        say=cli.say,
    )


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


def dataset():
    """Where --dataset is: a dataset, a store of patches, or OUTDIR/cache/..., made of a plain folder of pictures."""
    from wdsr_tf.data import div2k, make_pairs

    root = Path(FLAGS.dataset)
    if not FLAGS.degrade or not root.is_dir() or div2k.dataset_names(root):
        return root
    cache, report = make_pairs.cached_hr(root, Path(FLAGS.outdir) / "cache")
    for _, reason in report.failed:
        cli.say(f"left out: {reason}")
    return cache


def training_scales():
    """The scales of --training-scales, or the one of --scale."""
    words = FLAGS.training_scales or [str(FLAGS.scale)]
    if not all(word.isdecimal() and int(word) for word in words):
        raise InputError(f"--training-scales takes whole factors such as 2,3,4, not {','.join(words)!r}")
    return sorted(set(map(int, words)))


def sampler(root, split, ids, scales):
    """Random patches of one split; with several `scales`, each batch has one of them."""
    from wdsr_tf.data.div2k import parse_ids
    from wdsr_tf.data.sampler import MixedSampler, Sampler

    found = sources(root, split, ids and parse_ids(ids), scales)
    samplers = [Sampler(source, FLAGS.batch_size, FLAGS.seed, FLAGS.augment) for source in found]
    return MixedSampler(samplers) if len(samplers) > 1 else samplers[0]


def sources(root, split, ids, scales):
    """Where the patches of one split come from, at each of `scales`."""
    from wdsr_tf.data import degrade, div2k
    from wdsr_tf.data.patches import Stored
    from wdsr_tf.data.sources import Arrays, Pairs, Pictures, files

    size = FLAGS.lr_patch_size
    if root.is_file():
        if FLAGS.degrade:
            raise InputError(f"{root}: holds LR as well as HR; --degrade is for pictures without LR")
        return [Stored(root, split, scale, size, ids) for scale in scales]
    if FLAGS.degrade:
        recipes = [degrade.parse(FLAGS.degrade, scale) for scale in scales]
        paths = div2k.hr_pictures(root, split, ids)
        arrays = Arrays(paths, FLAGS.memory_fraction)
        found = [Pictures(paths, recipe, size, arrays, FLAGS.min_bytes, FLAGS.active_cropping) for recipe in recipes]
        if found[-1].left_out:
            cli.say(f"{split}: {len(found[-1].left_out)} of {len(paths)} pictures left out: too small for a patch")
        return found
    pairs = [div2k.pairs(root, split, scale, FLAGS.downgrade, ids) for scale in scales]
    arrays = Arrays([path for some in pairs for path in files(some)], FLAGS.memory_fraction)
    return [Pairs(some, scale, size, arrays) for some, scale in zip(pairs, scales, strict=True)]


def full_images(root):
    """Whole validation pictures, with the LR that the dataset has."""
    from wdsr_tf.data import div2k

    if root.is_file():
        raise InputError(f"{root}: holds patches; --benchmark validates on whole pictures")
    ids = FLAGS.validation_images
    return div2k.pairs(root, "valid", FLAGS.scale, FLAGS.downgrade, ids and div2k.parse_ids(ids))


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


def prepare(model, batches, resumed):
    """Gives `model` its first weights and compiles it; returns the epoch to begin with and the history before it."""
    import numpy as np

    from wdsr_tf import checkpoint, losses
    from wdsr_tf.models import initialise_from_data, transfer
    from wdsr_tf.training import multi_scale, trainer

    trainer.compile_model(model, optimizer(), losses.get_loss(FLAGS.loss))
    if training_scales() != [FLAGS.scale]:
        multi_scale.train_at(model, training_scales())
    if resumed and resumed.state.is_file():
        facts = trainer.restore(model, resumed.state)
        cli.say(f"resumes {resumed.folder} behind epoch {facts['epoch']}")
        return facts["epoch"], facts["history"]
    if FLAGS.initial_epoch:
        trainer.restore(model, FLAGS.pretrained_model)
    elif FLAGS.pretrained_model:
        taken, fresh = transfer(checkpoint.load(FLAGS.pretrained_model), model)
        cli.say(f"taken from {FLAGS.pretrained_model}: {len(taken)} layers; fresh: {', '.join(fresh) or 'none'}")
        if not taken:
            raise InputError(f"{FLAGS.pretrained_model} has no layer in common with {model.architecture}")
    elif FLAGS.num_init_batches:
        if not model.hyperparameters.get("weight_norm"):
            raise InputError("--num-init-batches starts weight normalization from data: it needs --weightnorm")
        initialise_from_data(model, np.concatenate([batches.batch(k)[0] for k in range(FLAGS.num_init_batches)]))
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
