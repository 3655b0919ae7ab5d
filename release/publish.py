"""Turns a training run into a bundled model: checks it, measures it, and writes it with its card and as ONNX."""

import dataclasses
import json
import os
import platform
from pathlib import Path

from release import leaks, training_images
from wdsr_tf import checkpoint
from wdsr_tf.commands.flags import hyphenated
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic, sha256
from wdsr_tf.system.quiet import load_keras

REPOSITORY = Path(__file__).resolve().parent.parent
PROFILES = REPOSITORY / "profiles"
COMPUTED = REPOSITORY / "tests" / "data" / "bundled.json"  # PSNR of each model on `figures.computed_image`
LIST = "training-pictures.csv"
LICENSE = "Apache-2.0"
# Settings that don't decide what is learned: where the run is, how it's computed, and learning_rate_decay, which has no
# effect with these schedules.
CIRCUMSTANCES = {"dataset", "outdir", "pretrained_model", "memory_fraction", "precision", "print_model_summary"}
CIRCUMSTANCES |= {"device_resident", "devices", "num_processes", "process_id", "coordinator", "learning_rate_decay"}
CIRCUMSTANCES |= {"validation"}  # a run records what its profile leaves open


@dataclasses.dataclass(frozen=True)
class Bundled:
    """A bundled model.

    Args:
        title, description: for its card.
        floor: the lowest PSNR in dB by benchmark; with `jpeg`, the lowest gain over bicubic.
        start: the bundled model whose weights the training starts with, or None.
        jpeg: the range of JPEG qualities whose artifacts it removes, or None.
    """

    title: str
    description: str
    floor: dict
    start: str | None = None
    jpeg: tuple | None = None

    def floor_on(self, name, figure):
        """The lowest PSNR for a `figure` on the benchmark `name`, such as "Set5" or "Set5, JPEG 75"."""
        return self.floor[name.partition(",")[0]] + (figure["bicubic"] if self.jpeg else 0)


MODELS = {
    "wdsr-a-8-x2": Bundled(
        "wdsr-a-8 x2, photographs",
        "Upscales photographs and drawings without compression artifacts by 2.",
        {"Set5": 36.4, "Set14": 32.2},
    ),
    "wdsr-a-8-x3": Bundled(
        "wdsr-a-8 x3, photographs",
        "Upscales photographs and drawings without compression artifacts by 3.",
        {"Set5": 32.3, "Set14": 28.9},
        start="wdsr-a-8-x2",
    ),
    "wdsr-a-8-x4": Bundled(
        "wdsr-a-8 x4, photographs",
        "Upscales photographs and drawings without compression artifacts by 4.",
        {"Set5": 30.1, "Set14": 27.3},
        start="wdsr-a-8-x2",
    ),
    "wdsr-a-8-q-x2": Bundled(
        "wdsr-a-8 x2, JPEG images",
        "Upscales JPEG images by 2 and removes their compression artifacts.",
        {"Set5": 0.8, "Set14": 0.8},
        start="wdsr-a-8-x2",
        jpeg=(50, 95),
    ),
    "wdsr-b-4-x2": Bundled(
        "wdsr-b-4 x2, small and fast",
        "Upscales images by 2 where speed matters more than the last decibel: in browsers and on old computers.",
        {"Set5": 36.0, "Set14": 32.0},
    ),
}


def publish(name, run, dataset, benchmarks, folder, *, seconds=None, hardware=None, log=print):
    """Writes the best checkpoint of a run into `folder`, with its card, its ONNX file and the list of its images.

    Args:
        name: of the bundled model, a key of `MODELS`.
        run: the `Run`.
        dataset: the dataset that the run was trained on.
        benchmarks: the folder that contains Set5 and Set14.
        folder: where the model goes.
        seconds: training time; default: by the run's log, without pauses.
        hardware: what it was trained on; default: this machine's CPU.
        log: is called with each line of progress.

    Raises:
        InputError: if the run didn't follow the model's profile, or saw an image of a benchmark.
    """
    config = read_config(run.args)
    check_recipe(name, config, folder)
    sessions = logged_sessions(run)
    if training_images.changed(dataset) > sessions[0][0]:
        raise InputError(f"{dataset} has changed since {run.folder} started, so the run's training images are unknown.")
    seen = training_images.of_dataset(dataset)
    if found := leaks.find_leaks(seen, training_images.hr_images(benchmarks)):
        listed = "".join(f"\n  {image} is {original} ({bits} bits apart)" for original, image, bits in found)
        raise InputError(f"{run.folder} was trained on benchmark images and can't be published:{listed}")
    write_list(folder / LIST, seen, name)
    source, target = run.best, folder / f"{name}.keras"
    if source is None:
        raise InputError(f"{run.models} contains no checkpoint with its PSNR in its name.")
    load_keras()
    from release import figures, onnx_models
    from wdsr_tf.export import card

    bundled, model = MODELS[name], checkpoint.load(source)
    model.facts = {key: model.facts[key] for key in ("epoch", "ema") if key in model.facts}
    model.facts |= {
        "title": bundled.title,
        "description": bundled.description,
        "license": LICENSE,
        "training_data": training_images.summary(seen),
        "recipe": recipe(name, config, model.facts),
        "command": commands(name),
        "seconds": round(seconds or sum(last - first for first, last in sessions)),
        "hardware": hardware or this_hardware(),
        "sha256": sha256(source),
    }
    if bundled.jpeg:
        model.facts["jpeg"] = list(bundled.jpeg)
    with atomic(target) as temporary:
        model.save(temporary)
        model.facts["figures"] = figures.on_benchmarks(temporary, benchmarks)
    checkpoint.save(model, target)
    onnx_models.write(target)
    card.write(card.card(model, name), target.with_suffix(""))
    save_computed(name, figures.on_computed_image(target))
    log(f"{target}: epoch {model.facts['epoch']} of {run.folder}, {source.name}")
    for line in comparison(model.facts["figures"], bundled):
        log(line)


def read_config(path):
    """Returns the `TrainingConfig` of a file of flags: a profile, or a run's args.txt."""
    from wdsr_tf.commands.train import COMMAND, config_of

    flags = COMMAND.flags()
    flags.parse([f"--profile={path}"])
    return config_of(flags)


def check_recipe(name, config, folder):
    """Raises InputError unless the config is that of profiles/bundled-NAME and starts with the right weights."""
    from wdsr_tf.training.config import flag_name

    wanted = read_config(profile(name))
    differing = [
        f"{hyphenated(flag_name(field))} is {run} in the run and {expected} in the profile"
        for field in dataclasses.fields(config)
        if (run := getattr(config, field.name)) != (expected := getattr(wanted, field.name))
        and field.name not in CIRCUMSTANCES
    ]
    if differing:
        raise InputError(f"The run doesn't follow {profile(name)}: {'; '.join(differing)}.")
    started = config.pretrained_model
    if bool(started) != bool(MODELS[name].start):
        raise InputError(f"{name} starts with {MODELS[name].start or 'fresh weights'}, but the run with {started}.")
    if started:
        start = start_of(name, folder)
        origins = {sha256(start), checkpoint.read_config(start)["facts"]["sha256"]}
        if sha256(started) not in origins:
            raise InputError(f"{name} starts with {start}, but the run with {started}, which is another model.")


def write_list(path, seen, name):
    """Writes the list of training images, which all bundled models share."""
    others = [other for other in path.parent.glob("*.keras") if other.stem != name]
    if others and path.is_file() and leaks.read(path) != seen:
        raise InputError(
            f"{path} lists other images than {name} was trained on. Remove the models that were trained on them."
        )
    leaks.write(path, seen)


def recipe(name, config, facts):
    """A sentence with the run's settings and which of its weights were chosen."""
    start = MODELS[name].start
    weights = "the moving average of the weights" if facts.get("ema") else "the weights, not their moving average"
    parts = [
        f"{config.epochs} epochs of {config.steps_per_epoch} steps with {config.batch_size} patches of "
        f"{config.lr_patch_size} x {config.lr_patch_size} LR pixels",
        f"LR by {config.degrade}" if config.degrade else f"LR by MATLAB's {config.downgrade}",
        f"{config.optimizer} with a learning rate of {config.learning_rate:g}, {config.schedule} schedule, "
        f"{config.warmup_steps} steps of warm-up",
        f"loss {config.loss}",
        f"started with the weights of {start}" if start else "started with fresh weights",
        f"chosen after epoch {facts['epoch']}, with the highest validation PSNR: {weights} with {config.ema:g}",
    ]
    return "; ".join(parts) + "."


def commands(name):
    """The command lines that train the model again."""
    data = "-i data/train291 -i data/photos/train --valid data/photos/valid"
    names = [each for each in (MODELS[name].start, name) if each]
    return [f"python -m release.train {each} {data} --benchmarks data/benchmarks" for each in names]


def logged_sessions(run):
    """[(start, end of the last epoch)] of the run's sessions in order, in seconds since 1970, by TensorBoard's log.

    A session may have several files, for training and for validation: those that overlap are one session.
    """
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    files = run.log.rglob("*tfevents*")
    times = [[event.wall_time for event in EventFileLoader(str(file)).Load()] for file in files]
    sessions = []
    for first, last in sorted((min(each), max(each)) for each in times if each):
        if sessions and first <= sessions[-1][1]:
            sessions[-1] = sessions[-1][0], max(last, sessions[-1][1])
        else:
            sessions.append((first, last))
    if not sessions:
        raise InputError(f"{run.log} contains no log of the training.")
    return sessions


def this_hardware():
    """`2 cores of AMD EPYC 9V74`, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores of {model}"


def save_computed(name, psnr):
    """Saves the PSNR on the computed image with those of the other models, for the tests."""
    saved = json.loads(COMPUTED.read_text(encoding="utf-8")) if COMPUTED.is_file() else {}
    saved[name] = round(psnr, 4)
    with atomic(COMPUTED) as temporary:
        temporary.write_text(json.dumps(dict(sorted(saved.items())), indent=2) + "\n", encoding="utf-8")


def comparison(figures, bundled):
    """Yields a line per benchmark that compares the figures with bicubic's and the floor."""
    for name, figure in figures.items():
        floor = bundled.floor_on(name, figure)
        verdict = "met" if figure["psnr"] >= floor else "MISSED"
        yield (
            f"{name}: {figure['psnr']:.2f} dB, SSIM {figure['ssim']:.4f}, bicubic {figure['bicubic']:.2f} dB; "
            f"floor {floor:.2f} dB: {verdict}"
        )


def profile(name):
    """The file of flags that the model is trained with."""
    return PROFILES / f"bundled-{name}"


def start_of(name, folder):
    """The checkpoint in `folder` that the training of the model starts with."""
    path = folder / f"{MODELS[name].start}.keras"
    if not path.is_file():
        raise InputError(f"{name} starts with the weights of {path.stem}. Train that model first.")
    return path
