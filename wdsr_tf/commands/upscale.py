"""`wdsr-tf upscale` and `demo.py`: images in files, upscaled into files."""

import contextlib
import dataclasses
import threading
from pathlib import Path

from wdsr_tf.commands import clusters, downloads, limits, remote, settings, videos
from wdsr_tf.commands.command import Command
from wdsr_tf.commands.output import complain, complain_of, say
from wdsr_tf.errors import InputError, sentence
from wdsr_tf.system.terminal import one_line
from wdsr_tf.system.url import is_remote

OWN_MODELS = "output/models"  # where train.py keeps the checkpoints of the newest run
JOBS = 2
ENGINES = ("auto", "onnx", "openvino", "keras")
PRECISIONS = ("auto", "float32", "bfloat16", "float16", "int8")
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
    flags.choice(
        "engine",
        "auto",
        ENGINES,
        "What runs the model. Default: openvino for bfloat16, else onnx if it can run the model, else keras.",
    )
    flags.choice(
        "precision",
        "auto",
        PRECISIONS,
        "bfloat16 and int8 need openvino, float16 needs keras and a GPU. Default: bfloat16 for images of 8 bits where "
        "the CPU multiplies it and the network keeps its PSNR within 0.02 dB, else float32.",
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
    clusters.define(flags, shard=True)
    videos.define(flags)


def run(flags, words):
    from wdsr_tf.distributed.shards import Shard
    from wdsr_tf.files import sweep
    from wdsr_tf.inference.folder import below, file_of, plan, suffix_of
    from wdsr_tf.inference.options import Options
    from wdsr_tf.inference.pipeline import OrderedLines

    if flags.model is None and Path(OWN_MODELS).exists():
        say(f"Using the bundled models; -m {OWN_MODELS} uses your own.")
    shard, cluster = Shard.parse(flags.shard), clusters.chosen(flags)
    indir = None if flags["list"].value else flags.indir
    suffix, file = suffix_of(flags.format), file_of(indir, flags.outdir)
    if "/" in flags.suffix or "\\" in flags.suffix:
        raise InputError(f"--suffix is a part of a file's name, such as -x2; it is {flags.suffix!r}.")
    if file and suffix and suffix != file.suffix.lower():
        raise InputError(f"--format {flags.format} doesn't fit the name {file}. Leave it out: the name is enough.")
    outdir = Path(file.parent if file else flags.outdir)
    sources, failures = chosen(flags, outdir)
    if any(map(is_remote, sources)):
        return remote.upscale(flags, (sources, failures))
    lines = OrderedLines(say)
    options = Options(
        outdir=outdir,
        indir=indir and Path(indir),
        settings=settings.of_upscaler(flags),
        overwrite=flags.overwrite,
        check=flags.check,
        log=lines,
    )
    upscaler = options.upscaler
    with options.journal as journal:
        pairs = (
            [(sources[0], file)]
            if file
            else plan(sources, indir, outdir, upscaler.result_size, suffix, journal, flags.suffix)
        )
        pairs = [(source, target) for source, target in pairs if shard.has(below(source, indir))]
        failures = [(source, error) for source, error in failures if shard.has(below(source, indir))]
        for folder in () if flags.dry_run else {target.parent for _, target in pairs}:
            sweep(folder)
        todo, done, foreign = choose(upscaler, journal, pairs, flags.overwrite)
        if flags.dry_run:
            from wdsr_tf.commands.dry_run import explain

            return max(report(failures), explain(upscaler, todo, flags.self_ensemble))
        note(options, shard, pairs, done, foreign, failures)
        unread, faults = check_again(upscaler, journal, done) if flags.check else ([], [])
        if todo or failures:
            if cluster:
                failed, found = clusters.upscale_all(options, todo, cluster, flags.jobs)
            else:
                failed, found = upscale_all(options, todo, flags.jobs, flags.memory, lines)
            say(f"Wrote {len(todo) - len(failed)} of {len(todo) + len(failures)} images to {flags.outdir}.")
            failures, faults = failures + failed, faults + found
        failures += unread
    for target, fault in faults:
        complain(f"Check: {one_line(target)} {one_line(fault)}. The file was kept.")
    return max(report(failures), 1 if faults else 0)


def note(options, shard, pairs, done, foreign, failures):
    """Records what this run of a shard doesn't make, for `wdsr-tf report`."""
    from wdsr_tf.inference.folder import below
    from wdsr_tf.inference.journal import Outcome, Record

    journal, blank = options.journal, Record("", "", "", "", (), "")
    with contextlib.suppress(InputError):  # a folder that can't be written to: if there is work, it says so
        journal.begin(str(shard), len(pairs) + len(failures), len(done))
        for source, target in foreign:
            reason = f"{target}: isn't a result of this command, or was changed."
            row = {"target": journal.name(target), "outcome": Outcome.SKIPPED, "error": reason}
            journal.add(dataclasses.replace(blank, source=below(source, options.indir).as_posix(), **row))
        for source, error in failures:
            row = {"source": source.as_posix(), "outcome": Outcome.FAILED, "error": sentence(error)}
            journal.add(dataclasses.replace(blank, **row))


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
    """Returns the pairs (source, target) to make now, those that are up to date, and those that aren't ours.

    Says why others aren't made.
    """
    from wdsr_tf.inference.folder import state
    from wdsr_tf.inference.journal import State

    if overwrite:
        return pairs, [], []
    states = {pair: state(upscaler, journal, *pair) for pair in pairs}
    done, outdated, foreign, quarantined = (
        [pair for pair in pairs if states[pair] is kind]
        for kind in (State.CURRENT, State.OUTDATED, State.FOREIGN, State.QUARANTINED)
    )
    if done:
        say(f"{len(done)} of {len(pairs)} images are done already; --overwrite upscales them again.")
    if outdated:
        say(f"{len(outdated)} of {len(pairs)} are upscaled again: the image, model, engine or an option changed.")
    for _, target in foreign:
        say(f"Kept {one_line(target)}, which isn't a result of this command, or was changed. --overwrite replaces it.")
    for source, _ in quarantined:
        say(f"Left out {one_line(source)}, which is quarantined: it killed its workers. --overwrite tries it again.")
    return [pair for pair in pairs if states[pair] in (State.ABSENT, State.OUTDATED)], done, foreign


def upscale_all(options, todo, jobs, memory_limit, lines):
    """Upscales the pairs (source, target) and shows progress in megapixels.

    Returns:
        [(source, error)] of failures, and [(target, fault)] of results that --check complains of.
    """
    from tqdm import tqdm

    from wdsr_tf.files import is_disk_full
    from wdsr_tf.inference.budget import room
    from wdsr_tf.inference.folder import Watch, upscale_one
    from wdsr_tf.inference.pipeline import Task, in_order
    from wdsr_tf.system import memory

    megapixels = [expected(options.upscaler, *pair) for pair in todo]
    records, names = [], iter([*(source.name for source, _ in todo), ""])
    with tqdm(total=sum(megapixels), bar_format=BAR) as bar:
        progress = Progress(bar, megapixels)

        def task(number):
            source, target = todo[number]

            def work(turn):
                def show(fraction):
                    turn.check()
                    progress.show(number, fraction)

                with lines.of(number):
                    return upscale_one(source, target, options, Watch(show, turn.wait))

            with lines.of(number):
                needs = _footprint(options.upscaler, source)
            return Task(work, needs.network, needs.held)

        def ended():
            lines.next()
            bar.set_postfix_str(one_line(next(names)))

        bar.set_postfix_str(one_line(next(names)))
        tasks, limit = map(task, range(len(todo))), room(memory.free(), memory_limit)
        with contextlib.closing(in_order(tasks, jobs, limit, ended, lambda error: True)) as outcomes:
            for number, outcome in enumerate(outcomes):
                if isinstance(outcome, Exception):  # what is wrong with an image is a record
                    break
                records.append(outcome)
                progress.show(number, 1)
    failures, faults = judged(todo, records)
    if len(records) == len(todo):
        return failures, faults
    report(failures)
    left = f"Stopped with {len(todo) - len(records)} of {len(todo)} images left."
    then = " Once there is space, the same command goes on." if is_disk_full(outcome) else ""
    raise InputError(f"{one_line(sentence(outcome)).rstrip('.')}. {left}{then}") from outcome


def judged(todo, records):
    """Returns failures and faults, as `upscale_all` does, of the pairs (source, target) with these records."""
    from wdsr_tf.inference.journal import PASSED, Outcome

    failures, faults = [], []
    for (source, target), record in zip(todo, records, strict=False):
        if record.outcome != Outcome.DONE:
            failures.append((source, InputError(record.error)))
        elif record.check not in ("", PASSED):
            faults.append((target, record.check))
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


def expected(upscaler, source, target):
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
