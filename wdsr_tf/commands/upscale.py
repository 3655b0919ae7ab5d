"""`wdsr-tf upscale` and `demo.py`: images in files, upscaled into files."""

import contextlib
import threading
from pathlib import Path

from wdsr_tf.commands import downloads, limits, remote, videos
from wdsr_tf.commands.command import Command
from wdsr_tf.commands.output import complain, complain_of, say
from wdsr_tf.errors import InputError, sentence
from wdsr_tf.system.terminal import one_line
from wdsr_tf.system.url import is_remote

OWN_MODELS = "output/models"  # where train.py keeps the checkpoints of the newest run
JOBS = 2
ENGINES = ("auto", "onnx", "openvino", "keras")
PRECISIONS = ("auto", "float32", "float16", "int8")
BAR = "{percentage:3.0f}% |{bar}| {n:.1f}/{total:.1f} megapixels, {remaining} left{postfix}"

DESCRIPTION = """\
Reads an image or a folder of them: PNG, JPEG, WebP, TIFF, BMP, AVIF and GIF with 8 or 16 bits, gray, transparent or \
animated; and videos, with the video extra. The output folder records what was made with what (.wdsr-tf): results are \
kept until the image, the model or an option changes, and files that the command didn't write are never replaced. An \
image that fails is reported at the end, doesn't stop the others, and makes the exit code 1."""


def define(flags):
    flags.section("Images")
    flags.string(
        "indir",
        "demo",
        "Image, or folder of images, which is searched recursively. Or a URL: s3://, gs:// or az:// with the cloud "
        "extra, and https:// of one file.",
        short="i",
    )
    flags.string(
        "list",
        None,
        "File with the paths or URLs of images, one per line, instead of -i; - is standard input. Relative paths start "
        "in the current folder, and their subfolders are kept. If there is a zero byte, zero bytes end the paths.",
    )
    flags.string(
        "outdir", "out", "Folder for the results, or its URL; subfolders are kept. Or a file, for one image.", short="o"
    )
    flags.string("suffix", "-sr", "Added to the names of the results.")
    flags.switch("overwrite", False, "Upscale again what is done already, and replace files of other origin.")
    flags.switch("dry_run", False, "Say what would be done, with models, tiles, memory and time; write no image.")
    flags.switch(
        "check",
        False,
        "Compare each result, reduced, with its image. One that is black, tinted, shifted or damaged is kept, named, "
        "and makes the exit code 1.",
    )
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
        "Remove noise of this level, 0 to 3: JPEG artifacts, and part of any grain; the bundled models have one level. "
        "Default: remove the artifacts of JPEG files below quality 93.",
        minimum=0,
        maximum=3,
    )
    flags.switch("self_ensemble", False, "Average eight flips and rotations: slightly better, eight times as long.")

    flags.section("Computation")
    flags.choice("engine", "auto", ENGINES, "What runs the model. Default: onnx if it can run the model, else keras.")
    flags.choice(
        "precision", "auto", PRECISIONS, "int8 needs openvino, float16 needs keras and a GPU. Default: float32."
    )
    flags.string(
        "device",
        "auto",
        "Where the engine runs: cpu, gpu, or gpu:1 and so on. Default: the CPU for onnx and openvino, the backend's "
        "choice for keras.",
    )
    flags.switch("allow_loss", False, "Use int8 even if it costs the model more than 0.10 dB.")
    flags.string("calibration", None, "Image, or folder of images, to calibrate int8 on. Default: those in demo/.")
    flags.string(
        "memory", None, "Memory for tiles, such as 2GiB, or 50% of what is free. Default: half of it, up to 1 GiB."
    )
    flags.integer("tile", None, "Side of a tile in LR pixels, instead of --memory.", minimum=1)
    flags.integer(
        "overlap",
        None,
        "LR pixels that neighboring tiles share on each side. Default: the radius of the receptive field, which is "
        "exact, up to 96; beyond, what keeps a test image within half a gray level, measured once per model.",
        minimum=0,
    )
    flags.integer(
        "jobs",
        JOBS,
        "Images in progress at once: while one is in the network, others are decoded and encoded. Fewer if memory "
        "doesn't suffice.",
        short="j",
        minimum=1,
    )
    videos.define(flags)


def run(flags, words):
    from wdsr_tf.files import sweep
    from wdsr_tf.inference.folder import file_of, plan, suffix_of
    from wdsr_tf.inference.journal import Journal
    from wdsr_tf.inference.pipeline import OrderedLines
    from wdsr_tf.inference.upscaler import Upscaler

    if flags.model is None and Path(OWN_MODELS).exists():
        say(f"Using the bundled models; -m {OWN_MODELS} uses your own.")
    indir = None if flags["list"].value else flags.indir
    suffix, file = suffix_of(flags.format), file_of(indir, flags.outdir)
    if "/" in flags.suffix or "\\" in flags.suffix:
        raise InputError(f"--suffix is a part of a file's name, such as -x2; it is {flags.suffix!r}.")
    if file and suffix and suffix != file.suffix.lower():
        raise InputError(f"--format {flags.format} doesn't fit the name {file}. Leave it out: the name is enough.")
    outdir = file.parent if file else flags.outdir
    sources, failures = chosen(flags, outdir)
    if any(map(is_remote, sources)):
        return remote.upscale(flags, (sources, failures))
    lines = OrderedLines(say)
    upscaler = Upscaler(
        downloads.fetched(flags.model, flags, flags.sha256),
        scale=flags.scale,
        size=flags.size,
        noise=flags.noise,
        engine=flags.engine,
        precision=flags.precision,
        device=flags.device,
        allow_loss=flags.allow_loss,
        calibration=flags.calibration,
        memory=flags.memory,
        tile=flags.tile,
        overlap=flags.overlap,
        self_ensemble=flags.self_ensemble,
        quality=flags.quality,
        max_pixels=round(flags.max_pixels * 1e6),
        log=lines,
    )
    with Journal(outdir) as journal:
        pairs = (
            [(sources[0], file)]
            if file
            else plan(sources, indir, outdir, upscaler.result_size, suffix, journal, flags.suffix)
        )
        for folder in () if flags.dry_run else {target.parent for _, target in pairs}:
            sweep(folder)
        todo, done = choose(upscaler, journal, pairs, flags.overwrite)
        if flags.dry_run:
            from wdsr_tf.commands.dry_run import explain

            return max(report(failures), explain(upscaler, todo, flags.self_ensemble))
        unread, faults = check_again(upscaler, journal, done) if flags.check else ([], [])
        if todo or failures:
            failed, found = upscale_all(upscaler, journal, todo, indir, flags, lines)
            say(f"Wrote {len(todo) - len(failed)} of {len(todo) + len(failures)} images to {flags.outdir}.")
            failures, faults = failures + failed, faults + found
        failures += unread
    for target, fault in faults:
        complain(f"Check: {one_line(target)} {one_line(fault)}. The file was kept.")
    return max(report(failures), 1 if faults else 0)


def report(failures):
    """Names what failed, as (source, error); returns the exit code."""
    for source, error in failures:
        complain_of("Failed", source, error)
    return 1 if failures else 0


def chosen(flags, outdir):
    """Returns (images, failures) of -i or --list."""
    from wdsr_tf import images
    from wdsr_tf.inference.folder import find
    from wdsr_tf.inference.listing import read_list

    listed = flags["list"].value
    if not listed:
        return find(flags.indir, outdir, say), []
    if flags.is_typed("indir"):
        raise InputError("-i and --list exclude each other; pass one of them.")
    if Path(outdir).is_file() or (Path(outdir).suffix.lower() in images.SUFFIXES and not Path(outdir).is_dir()):
        raise InputError(f"With --list, -o is a folder for the results; {outdir} is the name of a file.")
    return read_list(listed)


def check_again(upscaler, journal, done):
    """Compares results that are done already with their images; returns failures and faults as `upscale_all` does."""
    from wdsr_tf.inference.folder import check_again
    from wdsr_tf.inference.journal import PASSED

    failures, faults = [], []
    for source, target in done:
        try:
            record = check_again(journal, source, target, upscaler.max_pixels)
        except InputError as error:
            failures.append((source, error))
        else:
            faults += [(target, record.check)] if record.check != PASSED else []
    return failures, faults


def choose(upscaler, journal, pairs, overwrite):
    """Returns the pairs (source, target) to make now, and those that are up to date; says why others aren't made."""
    from wdsr_tf.inference.folder import state
    from wdsr_tf.inference.journal import State

    if overwrite:
        return pairs, []
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
    return [pair for pair in pairs if states[pair] in (State.ABSENT, State.OUTDATED)], done


def upscale_all(upscaler, journal, todo, indir, flags, lines):
    """Upscales the pairs (source, target) and shows progress in megapixels.

    Returns:
        [(source, error)] of failures, and [(target, fault)] of results that --check complains of.
    """
    from tqdm import tqdm

    from wdsr_tf.files import is_disk_full
    from wdsr_tf.inference.budget import room
    from wdsr_tf.inference.folder import below, upscale_one
    from wdsr_tf.inference.journal import PASSED
    from wdsr_tf.inference.pipeline import Task, in_order
    from wdsr_tf.system import memory

    megapixels = [_expected(upscaler, *pair) for pair in todo]
    failures, faults, names = [], [], iter([*(source.name for source, _ in todo), ""])
    with tqdm(total=sum(megapixels), bar_format=BAR) as bar:
        progress = Progress(bar, megapixels)

        def task(number):
            source, target = todo[number]

            def work(turn):
                def show(fraction):
                    turn.check()
                    progress.show(number, fraction)

                name = below(source, indir).as_posix()
                with lines.of(number):
                    return upscale_one(
                        upscaler, journal, source, target, name, show, flags.overwrite, flags.check, turn.wait
                    )

            with lines.of(number):
                needs = _footprint(upscaler, source)
            return Task(work, needs.network, needs.held)

        def ended():
            lines.next()
            bar.set_postfix_str(one_line(next(names)))

        bar.set_postfix_str(one_line(next(names)))
        tasks, limit = map(task, range(len(todo))), room(memory.free(), flags.memory)
        with contextlib.closing(in_order(tasks, flags.jobs, limit, ended, is_disk_full)) as outcomes:
            for number, outcome in enumerate(outcomes):
                source, target = todo[number]
                if isinstance(outcome, Exception):  # whatever is wrong with one image, the others are upscaled
                    failures.append((source, outcome))
                elif outcome.check not in ("", PASSED):
                    faults.append((target, outcome.check))
                progress.show(number, 1)
    if failures and is_disk_full(failures[-1][1]):  # then it was the last outcome: all others would fail, too
        _, error = failures.pop()
        report(failures)
        raise InputError(
            f"{one_line(sentence(error))}. Stopped with {len(todo) - number} of {len(todo)} images left. Once there is "
            "space, the same command goes on."
        ) from error
    return failures, faults


class Progress:
    """A bar in megapixels for several images at once; `show` may be called from any thread.

    Args:
        bar: a `tqdm`.
        megapixels: of each image.
    """

    def __init__(self, bar, megapixels):
        self._bar, self._megapixels, self._fractions = bar, megapixels, [0.0] * len(megapixels)
        self._done, self._lock = 0.0, threading.Lock()

    def show(self, number, fraction):
        """Image `number` is done to that fraction."""
        with self._lock:
            self._done += (fraction - self._fractions[number]) * self._megapixels[number]
            self._fractions[number] = fraction
            self._bar.update(max(0.0, min(self._done, self._bar.total) - self._bar.n))  # sums of floats


def _footprint(upscaler, source):
    """The `Footprint` of an image; of one that can't be read, which is reported later, nothing."""
    from wdsr_tf.inference.forecast import Footprint, footprint

    try:
        return footprint(upscaler, source)
    except Exception:
        return Footprint(0, 0)


def _expected(upscaler, source, target):
    """The megapixels of the result, from the image's headers; 0 if it can't be read, which is reported later."""
    try:
        return upscaler.result_pixels(source, target) / 1e6
    except Exception:
        return 0.0


COMMAND = Command(
    "upscale",
    "Upscales images and videos with a trained model.",
    define,
    remote.before(videos.before(run)),
    description=DESCRIPTION,
)
