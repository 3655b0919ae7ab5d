"""`wdsr-tf bench`: ranks models on full-size images, by PSNR or another metric."""

import os
from pathlib import Path

from wdsr_tf.commands import clusters, downloads, limits
from wdsr_tf.commands.command import Command, complain, say
from wdsr_tf.commands.flags import hyphenated
from wdsr_tf.errors import InputError
from wdsr_tf.system.terminal import one_line

SOURCES = ("dataset", "benchmark", "lr_dir", "hr_dir")


def define(flags):
    flags.section("Models")
    flags.string(
        "indir",
        "output/models",
        "Checkpoint or published weights file, or its URL; or a folder that is searched for checkpoints.",
        short="i",
    )
    flags.repeated(
        "models",
        None,
        "NAME=FILE or NAME=URL, followed by more if needed: checkpoints or published weights, ranked by these names.",
    )
    downloads.define(flags, "--indir")
    flags.integer("scale", None, "Upscaling factor. Default: the one that all models have.", short="s", minimum=1)
    flags.section("Images")
    flags.string("dataset", "./DIV2K_BIN", "Dataset's folder, as convert.py writes it.", short="d")
    flags.string("benchmark", None, "Folder of a benchmark such as Set5, or any folder of HR images.")
    flags.string("lr_dir", None, "Folder of LR images; needs --hr-dir.")
    flags.string("hr_dir", None, "Folder of their HR images; can be the same folder.")
    flags.string("downgrade", None, "Which LR, if there are several: bicubic, bicubic_jpeg_90, ... Default: bicubic.")
    flags.string("validation_images", None, "Inclusive range of ids, such as 801-900. Default: all images.")
    flags.integer(
        "jpeg_quality", None, "Compress LR in memory with this JPEG quality, 1 to 100.", minimum=1, maximum=100
    )
    limits.define(flags)
    flags.section("Measurement")
    flags.list(
        "protocol", "krasserm", "krasserm, ntire, paper, paper-gray, several with commas, or all; the first one ranks."
    )
    flags.list(
        "metrics",
        None,
        "Columns, with commas between them: psnr, ssim, ms-ssim, niqe (by our own prior), gmsd, lr-consistency, "
        "color-shift. Default: the first three.",
    )
    flags.string("rank_by", None, "The metric that ranks. Default: psnr, or the first one of --metrics.")
    flags.switch("self_ensemble", False, "Average over eight flips and rotations of each image.")
    clusters.define(flags)
    flags.section("Results")
    flags.string("outfile", "./bench.json", "JSON file for all figures.", short="o")
    flags.string("csv", None, "CSV file for the means.")
    flags.string("save_images", None, "Folder for the upscaled images, in one subfolder per model.")
    flags.string("compare", None, "An earlier bench.json, to print what changed.")
    flags.retired("gpu_memory_fraction", "frameworks take GPU memory as they need it")


def run(flags, words):
    check_outputs(flags)
    models = chosen_models(flags, words)
    from wdsr_tf.evaluation import measure, report
    from wdsr_tf.evaluation.evaluate import evaluate, reasons

    earlier = report.read(flags.compare) if flags.compare else None
    ranking = evaluate(
        models,
        **image_sources(flags),
        scale=flags.scale,
        downgrade=flags.downgrade,
        validation_images=flags.validation_images,
        jpeg_quality=flags.jpeg_quality,
        self_ensemble=flags.self_ensemble,
        protocol=flags.protocol,
        metrics=flags.metrics,
        rank_by=flags.rank_by,
        save_images=flags.save_images,
        progress=ProgressBar(),
        log=complain,
        **clusters.measuring(flags),
    )
    say(ranking.table())
    ranking.write(flags.outfile)
    if flags.csv:
        ranking.write_csv(flags.csv)
    if earlier:
        say("\n".join([f"\nCompared with {flags.compare}", *report.differences(earlier, ranking.result())]))
    if ranking.failed:
        complain(f"\nNot ranked:{reasons(ranking.failed)}")
    say(f"\nBest {measure.line(ranking.rows[0], ranking.rank_by, ranking.protocols[0])}")
    return 1 if ranking.failed else 0


def chosen_models(flags, words):
    """{name: path} of --models with the words that follow it, and of --indir unless only --models is given."""
    if words and not flags.models:
        raise InputError(
            f"Unexpected argument {words[0]!r}. Name checkpoints with -i, or files with --models NAME=FILE."
        )
    named = {}
    for word in [*(flags.models or ()), *words]:
        name, equals, file = word.partition("=")
        if not (name and equals and file):
            raise InputError(f"--models takes NAME=FILE, such as carn=carn.pth; not {word!r}.")
        if name in named:
            raise InputError(f"--models names {name!r} twice: {named[name]} and {file}.")
        named[name] = downloads.fetched(file, flags)
    if named and not flags["indir"].present:
        if flags.sha256:
            raise InputError("--sha256 is that of --indir. For --models, write NAME=URL#sha256=HEX.")
        return named
    from wdsr_tf.evaluation.networks import find

    indir = downloads.fetched(flags.indir, flags, flags.sha256)
    below = {network.name: network.path for network in find(indir)}
    if twice := named.keys() & below.keys():
        raise InputError(f"--models uses the name {min(twice)!r}, which is a file of --indir. Choose another name.")
    return named | below


def image_sources(flags):
    """The flags that say where images come from, as arguments of `evaluate`; the dataset is the default."""
    given = [name for name in SOURCES if flags[name].present] or ["dataset"]
    return {name: flags[name].value for name in given}


def check_outputs(flags):
    """Raises InputError now, not after an hour of measuring, if --outfile or --csv can't be written."""
    for name in ("outfile", "csv"):
        text = flags[name].value
        if text is None:
            continue
        path = Path(text)
        if not text or path.is_dir():
            raise InputError(f"{hyphenated(name)}={text} is a folder. Name a file.")
        above = next(folder for folder in path.resolve().parents if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise InputError(f"{hyphenated(name)}={text}: Can't write in {above}.")
    if flags.csv and Path(flags.csv).resolve() == Path(flags.outfile).resolve():
        raise InputError(f"--csv and --outfile are the same file, {flags.csv}.")


class ProgressBar:
    """Shows on stderr how many images a model has finished."""

    def __init__(self):
        self.bar = None

    def __call__(self, name, done, total):
        from tqdm import tqdm

        if done == 0:
            self.close()
            self.bar = tqdm(desc=one_line(name), total=total, unit="image", leave=False)
        self.bar.update(done - self.bar.n)
        if done == total:
            self.close()

    def close(self):
        if self.bar is not None:
            self.bar.close()


COMMAND = Command(
    "bench",
    "Ranks models on full-size images, by PSNR or another metric.",
    define,
    run,
    words="[NAME=FILE ...]",
    description=(
        "Models are checkpoints below --indir, or files named with --models. Images come from a dataset, a benchmark, "
        "or a folder of LR and one of HR; they are measured in 8 bits and without transparency, and models "
        "compute in float32. Prints the ranking, with the best model in the last line. A model that can't be measured "
        "is listed with the reason, and the exit code is 1.\n\n"
        "Example: bench.py --models carn=carn_m.pth edsr=edsr.keras --scale 2 --benchmark Set5 --protocol paper"
    ),
)
