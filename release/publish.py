"""A run of train.py that becomes a network which ships: checked, measured, and written with its card."""

import dataclasses
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from release import leaks, onnx_models
from release import pictures as ship_pictures
from wdsr_tf import checkpoint
from wdsr_tf.commands import flags as cli
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic

REPOSITORY = Path(__file__).resolve().parent.parent
PROFILES = REPOSITORY / "profiles"
COMPUTED = REPOSITORY / "tests" / "data" / "shipped.json"  # what each reaches on a picture that any clone has
PICTURES = "training-pictures.csv"
LICENSE = "Apache-2.0"
PSNR = re.compile(r"-psnr-(\d+\.\d+)")  # in a ranked checkpoint's name
# Flags that say where a run lies and how it is carried out, and one that other schedules have: not what is learned.
CIRCUMSTANCES = {"dataset", "outdir", "pretrained_model", "memory_fraction", "precision", "print_model_summary"}
CIRCUMSTANCES |= {"device_resident", "devices", "num_processes", "process_id", "learning_rate_decay"}


@dataclasses.dataclass(frozen=True)
class Shipped:
    """A network that ships.

    Attributes:
        title, description: for its card.
        start: the shipped network whose weights it begins with, or None.
        jpeg: the qualities of JPEG whose noise it takes away, or None.
        floor: PSNR by set that it has to reach; where `jpeg`, how far above bicubic.
    """

    title: str
    description: str
    floor: dict
    start: str | None = None
    jpeg: tuple | None = None

    def floor_on(self, name, figure):
        """The PSNR to reach where `figure` was taken: on the set `name`, whatever stands behind a comma."""
        return self.floor[name.partition(",")[0]] + (figure["bicubic"] if self.jpeg else 0)


NETWORKS = {
    "wdsr-a-8-x2": Shipped(
        "wdsr-a-8 x2, photographs",
        "Doubles photographs and drawings that carry no compression noise.",
        {"Set5": 36.4, "Set14": 32.2},
    ),
    "wdsr-a-8-x3": Shipped(
        "wdsr-a-8 x3, photographs",
        "Triples photographs and drawings that carry no compression noise.",
        {"Set5": 32.3, "Set14": 28.9},
        start="wdsr-a-8-x2",
    ),
    "wdsr-a-8-x4": Shipped(
        "wdsr-a-8 x4, photographs",
        "Enlarges photographs and drawings that carry no compression noise four times.",
        {"Set5": 30.1, "Set14": 27.3},
        start="wdsr-a-8-x2",
    ),
    "wdsr-a-8-q-x2": Shipped(
        "wdsr-a-8 x2, JPEG pictures",
        "Doubles pictures from JPEG files and takes away the noise of their compression.",
        {"Set5": 0.8, "Set14": 0.8},
        start="wdsr-a-8-x2",
        jpeg=(50, 95),
    ),
    "wdsr-b-4-x2": Shipped(
        "wdsr-b-4 x2, small and fast",
        "Doubles pictures where speed counts more than the last decibel: in browsers and on old machines.",
        {"Set5": 36.0, "Set14": 32.0},
    ),
}


def publish(name, run, dataset, benchmarks, folder, seconds=None, hardware=None):
    """Writes the best checkpoint of `run` into `folder`, with its card and what it was trained on."""
    args = read_args(run)
    check_recipe(name, args, folder)
    sessions = logged(run)
    if ship_pictures.changed(dataset) > sessions[0][0]:
        raise InputError(f"{dataset}: has changed since {run.folder} began; nobody knows what that was trained on")
    seen = ship_pictures.of_dataset(dataset)
    if found := leaks.leaks(seen, ship_pictures.originals(benchmarks)):
        listed = "".join(f"\n  {link} is {original} ({bits} bits apart)" for original, link, bits in found)
        raise InputError(f"{run.folder}: was trained on pictures of the benchmarks, and is not published:{listed}")
    write_pictures(folder / PICTURES, seen, name)
    source, target = best_checkpoint(run), folder / f"{name}.keras"
    cli.load_keras()
    from release import measure as shipped
    from wdsr_tf.export import card

    network, model = NETWORKS[name], checkpoint.load(source)
    model.facts = {key: model.facts[key] for key in ("epoch", "ema") if key in model.facts}
    model.facts |= {
        "title": network.title,
        "description": network.description,
        "license": LICENSE,
        "training_data": ship_pictures.summary(seen),
        "recipe": recipe(name, args, model.facts),
        "command": commands(name),
        "seconds": round(seconds or sum(last - first for first, last in sessions)),
        "hardware": hardware or this_hardware(),
        "sha256": leaks.sha256(source),
    }
    if network.jpeg:
        model.facts["jpeg"] = list(network.jpeg)
    with atomic(target) as temporary:
        model.save(temporary)
        model.facts["figures"] = shipped.figures(temporary, benchmarks)
    checkpoint.save(model, target)
    card.write(card.card(model, name), target.with_suffix(""))
    onnx_models.write(target)
    keep_computed(name, shipped.psnr_of_computed(target))
    cli.say(f"{target}: epoch {model.facts['epoch']} of {run.folder}, {source.name}")
    for line in compared(model.facts["figures"], network):
        cli.say(line)


def read_args(run):
    """{flag: value} of a run's args.txt."""
    return flag_values(run.args.read_text(encoding="utf-8").splitlines())


def flag_values(lines):
    """`--scale=2`, `--augment` and `--noaugment` -> {"scale": "2", "augment": "true"} and so on."""
    values = {}
    for line in lines:
        flag, equals, value = line.removeprefix("--").partition("=")
        if equals:
            values[flag] = value
        else:
            values[flag.removeprefix("no")] = "false" if flag.startswith("no") else "true"
    return values


def check_recipe(name, args, folder):
    """Raises where the run with the flags `args` did not follow profiles/bundled-NAME, or began with other weights."""
    wanted, typed = profile_args(name), flag_values(cli.read_flags(profile(name)))
    differing = [
        f"--{flag.replace('_', '-')} is {args.get(flag)} in the run and {wanted.get(flag)} in the profile"
        for flag in sorted((args.keys() | typed.keys()) - CIRCUMSTANCES)  # not those that the run's version had not
        if args.get(flag) != wanted.get(flag)
    ]
    if differing:
        raise InputError(
            f"{profile(name)} is to train the network again, but the run had other flags: {'; '.join(differing)}"
        )
    began = args.get("pretrained_model")
    if bool(began) != bool(NETWORKS[name].start):
        raise InputError(f"{name} begins with {NETWORKS[name].start or 'fresh weights'}, but the run with {began}")
    if began:
        start = start_of(name, folder)
        origins = {leaks.sha256(start), checkpoint.read_config(start)["facts"]["sha256"]}
        if leaks.sha256(began) not in origins:
            raise InputError(f"{name} begins with {start}, but the run began with {began}, which is another network")


def profile_args(name):
    """{flag: value} of every flag of train.py where it is called with the network's profile alone."""
    code = (  # in a process of its own, because both scripts define flags
        "import train; from absl import flags; from wdsr_tf import cli; "
        f"cli.parse(['train.py', {f'--profile={profile(name)}'!r}]); "
        "known = flags.FLAGS.get_key_flags_for_module('train'); "
        "print(*(flag.serialize() for flag in known if flag.value is not None), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return flag_values(filter(None, done.stdout.splitlines()))


def write_pictures(path, seen, name):
    """Writes the list of training pictures, which is one for all networks that ship."""
    others = [other for other in path.parent.glob("*.keras") if other.stem != name]
    if others and path.is_file() and leaks.read(path) != seen:
        raise InputError(
            f"{path}: lists other pictures than {name} was trained on; remove the networks that were trained on them"
        )
    leaks.write(path, seen)


def best_checkpoint(run):
    """The run's checkpoint with the highest validation PSNR in its name, of raw and averaged weights."""
    found = [(float(match[1]), path) for path in run.models.glob("*.keras") if (match := PSNR.search(path.name))]
    if not found:
        raise InputError(f"{run.models}: holds no ranked checkpoint")
    return max(found)[1]


def recipe(name, args, facts):
    """The run's flags, and which of its weights were taken, as a sentence."""
    start = NETWORKS[name].start
    weights = "moving average of the weights" if facts.get("ema") else "weights as they were, not their moving average"
    parts = [
        f"{args['epochs']} epochs of {args['steps_per_epoch']} steps, each of {args['batch_size']} patches of "
        f"{args['lr_patch_size']} x {args['lr_patch_size']} LR pixels",
        f"LR by {args['degrade']}" if args.get("degrade") else f"LR by MATLAB's {args['downgrade']}",
        f"{args['optimizer']} with a learning rate of {args['learning_rate']}, {args['schedule']} schedule, "
        f"{args['warmup_steps']} steps of warm-up",
        f"loss {args['loss']}",
        f"begun with the weights of {start}" if start else "begun with fresh weights",
        f"taken after epoch {facts['epoch']}, where validation PSNR was highest: {weights} with {args['ema']}",
    ]
    return "; ".join(parts) + "."


def commands(name):
    """The command lines that make the network again."""
    data = "-i ../shared/images/train291 -i ../shared/images/photos/train --valid ../shared/images/photos/valid"
    names = [each for each in (NETWORKS[name].start, name) if each]
    return [f"python -m release.train {each} {data} --benchmarks ../shared/images/benchmark" for each in names]


def logged(run):
    """[(start, end of the last epoch)] of the run's sessions in order, in seconds since 1970, by TensorBoard's log.

    A session may have several files, of training and of validation: what overlaps is one.
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
        raise InputError(f"{run.log}: holds no log of the training")
    return sessions


def this_hardware():
    """`2 cores of AMD EPYC 9V74`, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores of {model}"


def keep_computed(name, psnr):
    """Puts the figure on the computed picture beside those of the other networks, for the tests."""
    kept = json.loads(COMPUTED.read_text(encoding="utf-8")) if COMPUTED.is_file() else {}
    kept[name] = round(psnr, 4)
    with atomic(COMPUTED) as temporary:
        temporary.write_text(json.dumps(dict(sorted(kept.items())), indent=2) + "\n", encoding="utf-8")


def compared(figures, network):
    """Lines: each figure beside bicubic's and the floor."""
    for name, figure in figures.items():
        floor = network.floor_on(name, figure)
        verdict = "reached" if figure["psnr"] >= floor else "MISSED"
        yield (
            f"{name}: {figure['psnr']:.2f} dB, SSIM {figure['ssim']:.4f}, bicubic {figure['bicubic']:.2f}; "
            f"the floor of {floor:.2f} is {verdict}"
        )


def profile(name):
    """The file of flags that the network `name` is trained with."""
    return PROFILES / f"bundled-{name}"


def start_of(name, folder):
    """The checkpoint in `folder` that the training of the network `name` begins with."""
    path = folder / f"{NETWORKS[name].start}.keras"
    if not path.is_file():
        raise InputError(f"{name} begins with the weights of {path.stem}: ship that one first")
    return path
