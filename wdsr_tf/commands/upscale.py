"""`wdsr-tf upscale` and `demo.py`: images in files, upscaled into files."""

from pathlib import Path

from wdsr_tf.commands import downloads, limits
from wdsr_tf.commands.command import Command
from wdsr_tf.commands.output import complain, say
from wdsr_tf.errors import InputError, sentence
from wdsr_tf.system.terminal import one_line

OWN_MODELS = "output/models"  # where train.py keeps the checkpoints of the newest run
ENGINES = ("auto", "onnx", "openvino", "keras")
PRECISIONS = ("auto", "float32", "float16", "int8")
BAR = "{percentage:3.0f}% |{bar}| {n:.1f}/{total:.1f} megapixels, {remaining} left{postfix}"

DESCRIPTION = """\
Reads an image or a folder of them: PNG, JPEG, WebP, TIFF, BMP, AVIF and GIF with 8 or 16 bits, gray, transparent or \
animated. The output folder records what was made with what (.wdsr-tf): results are kept until the image, the model or \
an option changes, and files that the command didn't write are never replaced. An image that fails is reported at the \
end, doesn't stop the others, and makes the exit code 1."""


def define(flags):
    flags.section("Images")
    flags.string("indir", "demo", "Image, or folder of images, which is searched recursively.", short="i")
    flags.string("outdir", "out", "Folder for the results; subfolders are kept. Or a file, for one image.", short="o")
    flags.string("suffix", "-sr", "Added to the names of the results.")
    flags.switch("overwrite", False, "Upscale again what is done already, and replace files of other origin.")
    flags.switch("dry_run", False, "Say what would be done, with models, tiles and memory, and write no image.")
    flags.string("format", None, "Write png, jpg, webp, tif, bmp, avif or gif. Default: the image's format, or png.")
    flags.integer("quality", None, "Quality of jpg, avif and lossy webp, 1 to 100.", minimum=1, maximum=100)
    limits.define(flags)

    flags.section("Model and size")
    flags.string(
        "model",
        None,
        "Checkpoint or any published weights file, or its URL; or folder of checkpoints to choose from by scale, noise "
        "and PSNR. Default: the bundled models.",
        short="m",
    )
    downloads.define(flags, "--model")
    flags.string("scale", None, "Factor, such as 2 or 3.5. Default: the model's own.", short="s")
    flags.string("size", None, "Size in pixels instead of a factor: 4000x, x3000 or 4000x3000.")
    flags.integer(
        "noise",
        None,
        "Remove JPEG noise of this level, 0 to 3; the bundled models remove any. Default: remove the noise of JPEG "
        "files below quality 93.",
        minimum=0,
        maximum=3,
    )
    flags.switch("self_ensemble", False, "Average eight flips and rotations: slightly better, eight times as long.")

    flags.section("Computation")
    flags.choice("engine", "auto", ENGINES, "What runs the model. Default: onnx if it can run the model, else keras.")
    flags.choice(
        "precision", "auto", PRECISIONS, "int8 needs openvino, float16 needs keras and a GPU. Default: float32."
    )
    flags.switch("allow_loss", False, "Use int8 even if it costs the model more than 0.10 dB.")
    flags.string("calibration", None, "Image, or folder of images, to calibrate int8 on. Default: those in demo/.")
    flags.string(
        "memory", None, "Memory for tiles, such as 2GiB, or 50% of what is free. Default: half of it, up to 1 GiB."
    )
    flags.integer(
        "overlap",
        None,
        "LR pixels that neighboring tiles share on each side. Default: the radius of the receptive field, which is "
        "exact, up to 96; beyond, what keeps a test image within half a gray level, measured once per model.",
        minimum=0,
    )


def run(flags, words):
    from wdsr_tf.files import sweep
    from wdsr_tf.inference.folder import file_of, find, plan, suffix_of
    from wdsr_tf.inference.journal import Journal
    from wdsr_tf.inference.upscaler import Upscaler

    if flags.model is None and Path(OWN_MODELS).exists():
        say(f"Using the bundled models; -m {OWN_MODELS} uses your own.")
    suffix, file = suffix_of(flags.format), file_of(flags.indir, flags.outdir)
    if "/" in flags.suffix or "\\" in flags.suffix:
        raise InputError(f"--suffix is a part of a file's name, such as -x2; it is {flags.suffix!r}.")
    if file and suffix and suffix != file.suffix.lower():
        raise InputError(f"--format {flags.format} doesn't fit the name {file}. Leave it out: the name is enough.")
    outdir = file.parent if file else flags.outdir
    sources = find(flags.indir, outdir, say)
    upscaler = Upscaler(
        downloads.fetched(flags.model, flags, flags.sha256),
        scale=flags.scale,
        size=flags.size,
        noise=flags.noise,
        engine=flags.engine,
        precision=flags.precision,
        allow_loss=flags.allow_loss,
        calibration=flags.calibration,
        memory=flags.memory,
        overlap=flags.overlap,
        self_ensemble=flags.self_ensemble,
        quality=flags.quality,
        max_pixels=round(flags.max_pixels * 1e6),
        log=say,
    )
    with Journal(outdir) as journal:
        pairs = (
            [(sources[0], file)]
            if file
            else plan(sources, flags.indir, outdir, upscaler.result_size, suffix, journal, flags.suffix)
        )
        for folder in () if flags.dry_run else {target.parent for _, target in pairs}:
            sweep(folder)
        todo = choose(upscaler, journal, pairs, flags.overwrite)
        if flags.dry_run:
            return explain(upscaler, todo)
        if not todo:
            return 0
        failures = upscale_all(upscaler, journal, todo, Path(flags.indir), flags.overwrite)
    say(f"Wrote {len(todo) - len(failures)} of {len(todo)} images to {flags.outdir}.")
    report(failures)
    return 1 if failures else 0


def report(failures):
    for source, error in failures:
        complain(f"Failed: {one_line(source)}: {one_line(sentence(error).removeprefix(f'{source}: '))}")


def choose(upscaler, journal, pairs, overwrite):
    """Returns the pairs (source, target) to make now, and says why the others aren't."""
    from wdsr_tf.inference.folder import state
    from wdsr_tf.inference.journal import State

    if overwrite:
        return pairs
    states = {pair: state(upscaler, journal, *pair) for pair in pairs}
    done, outdated, foreign = (
        [pair for pair in pairs if states[pair] is kind] for kind in (State.CURRENT, State.OUTDATED, State.FOREIGN)
    )
    if done:
        say(f"{len(done)} of {len(pairs)} images are done already; --overwrite upscales them again.")
    if outdated:
        say(f"{len(outdated)} of {len(pairs)} are upscaled again: the image, the model or an option has changed.")
    for _, target in foreign:
        say(f"Kept {one_line(target)}, which isn't a result of this command, or was changed. --overwrite replaces it.")
    return [pair for pair in pairs if states[pair] in (State.ABSENT, State.OUTDATED)]


def explain(upscaler, todo):
    """Says what would be done; returns the exit code."""
    from wdsr_tf import images

    failed = 0
    for source, target in todo:
        try:
            height, width = images.size(source, upscaler.max_pixels)
            result = upscaler.result_size(height, width)
            steps = "; ".join(upscaler.steps(source)) or "resized"
        except (InputError, OSError) as error:
            complain(f"Would fail: {one_line(source)}: {one_line(str(error).removeprefix(f'{source}: '))}")
            failed = 1
            continue
        sizes = f"{width} x {height} -> {result[1]} x {result[0]}"
        say(f"{one_line(source)} -> {one_line(target)}: {sizes}, {steps}")
    return failed


def upscale_all(upscaler, journal, todo, indir, overwrite=False):
    """Upscales the pairs (source, target) and shows progress in megapixels; returns [(source, error)] of failures."""
    from tqdm import tqdm

    from wdsr_tf.files import is_disk_full
    from wdsr_tf.inference.folder import upscale_one

    root = indir.parent if indir.is_file() else indir
    megapixels = [_expected(upscaler, *pair) for pair in todo]
    failures, done, full = [], 0, None
    with tqdm(total=sum(megapixels), bar_format=BAR) as bar:
        for number, ((source, target), own) in enumerate(zip(todo, megapixels, strict=True)):
            bar.set_postfix_str(one_line(source.name))

            def show(fraction, before=done, own=own):
                bar.update(max(0.0, before + fraction * own - bar.n))

            name = source.relative_to(root).as_posix()
            try:
                upscale_one(upscaler, journal, source, target, name, show, overwrite)
            except Exception as error:  # whatever is wrong with one image, the others are upscaled
                if is_disk_full(error):  # with all others, too
                    full, left = error, len(todo) - number
                    break
                failures.append((source, error))
            done += own
            bar.update(done - bar.n)
    if full:
        report(failures)
        raise InputError(
            f"{one_line(sentence(full))}. Stopped with {left} of {len(todo)} images left. Once there is space, the "
            "same command goes on."
        ) from full
    return failures


def _expected(upscaler, source, target):
    """The megapixels of the result, from the image's headers; 0 if it can't be read, which is reported later."""
    try:
        return upscaler.result_pixels(source, target) / 1e6
    except Exception:
        return 0.0


COMMAND = Command("upscale", "Upscales images with a trained model.", define, run, description=DESCRIPTION)
