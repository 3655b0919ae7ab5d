"""Trains a network that ships with the package, and puts it there: python -m release.train wdsr-a-8-x2

    python -m release.train wdsr-a-8-x2 -i ../shared/images/train291 -i ../shared/images/photos/train \\
        --valid ../shared/images/photos/valid --benchmarks ../shared/images/benchmark

Gathers the pictures without those that the benchmarks have, makes a dataset of them, trains with profiles/bundled-NAME,
takes the checkpoint with the best validation PSNR, measures it on Set5 and Set14, and writes NAME.keras and its card
into wdsr_tf/weights. Called again, it goes on where it was stopped. A run of train.py that is there already is
published without training:

    python -m release.train wdsr-a-8-x2 --run output/20261121-134646 --dataset MIX_BIN \\
        --benchmarks ../shared/images/benchmark

It has to have had the profile's flags. x3, x4 and q begin with the weights of x2, which is shipped before them.
"""

import subprocess
import sys
from pathlib import Path

from absl import app, flags

from release import pictures as ship_pictures
from release import publish
from wdsr_tf import weights
from wdsr_tf.commands import flags as cli
from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.training.run import Run

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("indir", [], "Folder of pictures to train on; may be given several times.", short_name="i")
flags.DEFINE_multi_string("valid", [], "Folder of pictures to choose the checkpoint by.")
flags.DEFINE_string("benchmarks", None, "Folder that holds Set5 and Set14.", required=True)
flags.DEFINE_string("outdir", "build/ship", "Where pictures, dataset and runs go.", short_name="o")
flags.DEFINE_string("run", None, "Publish this run of train.py, or the newest one in this folder, without training.")
flags.DEFINE_string("dataset", None, "With --run: the dataset that it had.")
flags.DEFINE_string("weights", str(weights.FOLDER), "Where the network and its card go.")
flags.DEFINE_float("seconds", None, "That the training took; default: by its log, pauses left out.")
flags.DEFINE_string("hardware", None, "What it was trained on; default: this machine's CPU.")


def main(argv):
    if len(argv) != 2 or argv[1] not in publish.NETWORKS:
        hint = suggestion(argv[1], publish.NETWORKS) if len(argv) > 1 else ""
        raise InputError(f"one network is named; {hint}known are {', '.join(publish.NETWORKS)}")
    name, benchmarks = argv[1], Path(FLAGS.benchmarks)
    if FLAGS.run:
        if not FLAGS.dataset or FLAGS.indir or FLAGS.valid:
            raise InputError("--run goes with --dataset, the one that it was trained on, and not with -i or --valid")
        dataset, run = Path(FLAGS.dataset), found_run(Path(FLAGS.run))
    else:
        dataset = make_dataset(benchmarks)
        run = train(name, dataset)
    publish.publish(name, run, dataset, benchmarks, Path(FLAGS.weights), FLAGS.seconds, FLAGS.hardware)


def found_run(folder):
    """The run in `folder`, or the newest one below it."""
    return Run(folder) if (folder / "args.txt").is_file() else Run.find(folder)


def make_dataset(benchmarks):
    """Gathers the pictures and makes HR and LR at x2, x3 and x4 of them; what is there already is kept."""
    if not FLAGS.indir or not FLAGS.valid:
        raise InputError("-i names the pictures to train on, and --valid those to choose the checkpoint by")
    pictures, dataset = Path(FLAGS.outdir) / "pictures", Path(FLAGS.outdir) / "SHIP_BIN"
    for original, link, bits in ship_pictures.gather(FLAGS.indir, FLAGS.valid, pictures, benchmarks):
        cli.say(f"left out: {link} is {original} ({bits} bits apart)")
    call("convert.py", "-i", pictures.absolute(), "-o", dataset.absolute(), "pairs", "--name", "SHIP")
    return dataset


def train(name, dataset):
    """Trains the network `name`, or goes on with the run that was stopped."""
    outdir = (Path(FLAGS.outdir) / name).absolute()
    if any(outdir.glob("*/args.txt")):
        call("train.py", "--resume", "--outdir", outdir)
    else:
        words = ["--profile", publish.profile(name), "--dataset", dataset.absolute(), "--outdir", outdir]
        if publish.NETWORKS[name].start:
            words += ["--pretrained-model", publish.start_of(name, Path(FLAGS.weights).absolute())]
        call("train.py", *words)
    return found_run(outdir)


def call(*words):
    """Runs one of the project's commands."""
    done = subprocess.run([sys.executable, *map(str, words)], cwd=publish.REPOSITORY, check=False)
    if done.returncode:
        raise InputError(f"{words[0]} ended with {done.returncode}; the same command goes on where it was stopped")


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
