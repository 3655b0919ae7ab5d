"""Trains a bundled model and publishes it: python -m release.train wdsr-a-8-x2"""

import sys
from pathlib import Path

from release import publish, training_images
from wdsr_tf import weights
from wdsr_tf.commands.command import Command, say
from wdsr_tf.data import make_pairs
from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.training.run import Run

SCALES = (2, 3, 4)
DESCRIPTION = """\
Gathers the images that aren't benchmark images, makes a dataset, trains with profiles/bundled-NAME, chooses the \
checkpoint with the best validation PSNR, measures it on Set5 and Set14, and writes it into wdsr_tf/weights with its \
card and as ONNX. An interrupted command continues when it's started again. Models that start with the weights of \
another (x3, x4, q) are trained after it.

--run publishes a finished run of train.py that used the same profile. It needs the dataset of that run:
python -m release.train wdsr-a-8-x2 --run output/20261121-134646 --dataset MIX_BIN --benchmarks BENCHMARKS"""


def define(flags):
    flags.repeated("indir", [], "Folder of training images; may be repeated.", short="i")
    flags.repeated("valid", [], "Folder of images to choose the checkpoint by; may be repeated.")
    flags.string("benchmarks", None, "Folder that contains Set5 and Set14. Required.")
    flags.string("outdir", "build/release", "Folder for images, dataset and runs.", short="o")
    flags.string("run", None, "Publish this run, or the newest run in this folder, without training.")
    flags.string("dataset", None, "With --run: the dataset of that run.")
    flags.string("weights", str(weights.FOLDER), "Folder for the model and its card.")
    flags.number("seconds", None, "Training time in seconds. Default: by the run's log, without pauses.")
    flags.string("hardware", None, "Hardware of the training. Default: this machine's CPU.")


def run(flags, words):
    if len(words) != 1 or words[0] not in publish.MODELS:
        hint = suggestion(words[0], publish.MODELS) if words else ""
        raise InputError(f"Name one model. {hint}Models: {', '.join(publish.MODELS)}.")
    if not flags.benchmarks:
        raise InputError("Name the folder that contains Set5 and Set14 with --benchmarks.")
    (name,), benchmarks, folder = words, Path(flags.benchmarks), Path(flags.weights)
    if flags.run:
        if not flags.dataset or flags.indir or flags.valid:
            raise InputError("--run takes --dataset, the one that the run was trained on, and neither -i nor --valid.")
        dataset, finished = Path(flags.dataset), find_run(Path(flags.run))
    else:
        dataset = make_dataset(flags.indir, flags.valid, benchmarks, Path(flags.outdir))
        finished = train(name, dataset, folder.absolute(), Path(flags.outdir).absolute() / name)
    publish.publish(
        name, finished, dataset, benchmarks, folder, seconds=flags.seconds, hardware=flags.hardware, log=say
    )


def find_run(folder):
    """The run in `folder`, or the newest run below it."""
    return Run(folder) if (folder / "args.txt").is_file() else Run.find(folder)


def make_dataset(training, validation, benchmarks, outdir):
    """Gathers the images and makes HR and LR of them; skips what is already there."""
    if not training or not validation:
        raise InputError("Name the training images with -i, and the images to choose the checkpoint by with --valid.")
    images, dataset = outdir / "images", outdir / "dataset"
    for original, link, bits in training_images.gather(training, validation, images, benchmarks):
        say(f"Left out: {link} is {original} ({bits} bits apart)")
    make_pairs(images.absolute(), dataset, SCALES, name="BUNDLED")
    return dataset


def train(name, dataset, folder, outdir):
    """Trains the model, or continues the run that was interrupted."""
    from wdsr_tf.commands.train import COMMAND as TRAIN

    if any(outdir.glob("*/args.txt")):
        words = ["--resume"]
    else:
        words = [f"--profile={publish.profile(name)}", f"--dataset={dataset.absolute()}"]
        if publish.MODELS[name].start:
            words.append(f"--pretrained-model={publish.start_of(name, folder)}")
    if TRAIN.main([*words, f"--outdir={outdir}"], "train.py"):
        raise InputError("The training failed. The same command continues it.")
    return find_run(outdir)


COMMAND = Command("train", "Trains a bundled model and publishes it.", define, run, "NAME", DESCRIPTION)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m release.train"))
