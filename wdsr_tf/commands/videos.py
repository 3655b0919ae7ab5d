"""The videos that `wdsr-tf upscale` is given: their flags, names, and progress."""

from pathlib import Path

from wdsr_tf.commands import settings
from wdsr_tf.commands.output import complain_of, say
from wdsr_tf.errors import InputError, check_choice
from wdsr_tf.system.terminal import one_line

BAR = "{percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} frames, {remaining} left{postfix}"
CONTAINERS = ("mkv", "mp4", "mov", "webm")


def define(flags):
    flags.section("Videos, with the video extra")
    flags.choice(
        "container",
        None,
        CONTAINERS,
        "Format of the results; -o NAME.mp4 tells it for one video. Default: mkv, or mp4 or mov if only that fits.",
    )
    flags.string("codec", None, "FFmpeg's encoder: libx264, libx265, libsvtav1, hevc_nvenc ... Default: libx264.")
    flags.number("crf", None, "Quality of the encoder, smaller is better. Default: 16 for libx264.", minimum=0)
    flags.string("preset", None, "Speed of the encoder, such as slow. Default: the encoder's own.")
    flags.string("pix_fmt", None, "Pixel format, such as yuv420p. Default: what keeps the video's depth and chroma.")
    flags.switch("deinterlace", False, "Make full frames of an interlaced video, which is refused otherwise.")
    flags.string("frames", None, "Only these frames, counted from 1, such as 100-200.")
    flags.string("preview", None, "Only 5 seconds from this time on, such as 90 or 1:30.")
    flags.switch(
        "resume", False, "Continue a video from what an earlier run finished, and keep that if this one is interrupted."
    )
    flags.switch(
        "drop_unsupported", False, "Leave out streams and metadata that a result can't hold; refused otherwise."
    )


def before(upscale_images):
    """Returns the `run` of a command that upscales the videos of -i, and then the images, by `upscale_images`."""

    def run(flags, words):
        from wdsr_tf import images, video

        place = Path(flags.indir)
        films = video.find(place, flags.outdir)
        if not films:
            return upscale_images(flags, words)
        code = _upscale(flags, films)
        if place.is_file() or not images.find(place):
            return code
        return upscale_images(flags, words) or code

    return run


def _upscale(flags, films):
    """Upscales videos; returns the exit code."""
    from wdsr_tf.distributed.shards import Shard
    from wdsr_tf.inference.folder import below, plan
    from wdsr_tf.inference.journal import Journal
    from wdsr_tf.inference.upscaler import Upscaler
    from wdsr_tf.video import pyav

    if Path(flags.indir).is_dir() and not pyav.is_installed():
        say(f"Skipped {len(films)} videos: {pyav.missing()}")
        return 0
    pyav.require()
    shard = Shard.parse(flags.shard)
    if flags.ray:
        raise InputError(
            f"--ray upscales images only, and {films[0]} is a video. Use --shard for videos, or --list for images."
        )
    file = _file_of(flags)
    outdir = file.parent if file else Path(flags.outdir)
    if outdir.is_file():
        raise InputError(f"The output folder {outdir} is a file; name a folder (-o), or a video such as large.mkv.")
    options = options_of(flags)
    upscaler = Upscaler(**settings.of_upscaler(flags), log=say)
    with Journal(outdir) as journal:
        pairs = [(films[0], file)] if file else []
        for suffix, some in {} if file else by_suffix(flags.container, films).items():
            pairs += plan(some, flags.indir, outdir, upscaler.result_size, suffix, journal, flags.suffix)
        pairs = [(source, target) for source, target in pairs if shard.has(below(source, flags.indir))]
        todo = pairs if flags.overwrite else _missing(upscaler, journal, pairs, options)
        if flags.dry_run:
            return _explain(upscaler, todo, options)
        failures = [failure for pair in todo if (failure := _upscale_one(flags, upscaler, journal, *pair, options))]
    if todo:
        say(f"Wrote {len(todo) - len(failures)} of {len(todo)} videos to {outdir}.")
    for source, error in failures:
        complain_of("Failed", source, error)
    return 1 if failures else 0


def options_of(flags):
    """Returns the `VideoOptions` that the flags name."""
    from wdsr_tf import video

    return video.VideoOptions(
        codec=flags.codec,
        crf=flags.crf,
        preset=flags.preset,
        pix_fmt=flags.pix_fmt,
        deinterlace=flags.deinterlace,
        sample=video.sample_of(flags.frames, flags.preview),
        drop_unsupported=flags.drop_unsupported,
    )


def _file_of(flags):
    """The file that -o names for the result of one video, or None if it names a folder."""
    from wdsr_tf import video

    source, target = Path(flags.indir), Path(flags.outdir)
    if not source.is_file() or target.is_dir() or target.suffix.lower() not in video.SUFFIXES:
        return None
    if target.exists() and target.samefile(source):
        raise InputError(f"{target} is the video itself, which is never replaced. Name another file (-o).")
    if flags.is_typed("container"):
        check_choice("--container for that name", flags.container, [target.suffix.lower()[1:]])
    return target


def by_suffix(container, films):
    """Returns {suffix of the results: videos}; `container` is that of --container, or None."""
    from wdsr_tf.video.fitting import default_suffix

    if container:
        return {f".{container}": films}
    found = {}
    for film in films:
        try:
            suffix = default_suffix(film)
        except (InputError, OSError):  # reported when it's upscaled
            suffix = ".mkv"
        found.setdefault(suffix, []).append(film)
    return found


def _missing(upscaler, journal, pairs, options):
    """The pairs to make; says why the others aren't."""
    from wdsr_tf.inference.journal import State
    from wdsr_tf.video.record import state

    states = {pair: state(upscaler, journal, *pair, options) for pair in pairs}
    counts = {kind: sum(found is kind for found in states.values()) for kind in State}
    if counts[State.CURRENT]:
        say(f"{counts[State.CURRENT]} of {len(pairs)} videos are done already; --overwrite upscales them again.")
    if counts[State.OUTDATED]:
        outdated = counts[State.OUTDATED]
        say(f"{outdated} of {len(pairs)} are upscaled again: the video, model, engine or an option changed.")
    for pair, found in states.items():
        if found is State.FOREIGN:
            say(
                f"Kept {one_line(pair[1])}, which isn't a result of this command, or was changed. --overwrite replaces "
                "it."
            )
    return [pair for pair, found in states.items() if found in (State.ABSENT, State.OUTDATED)]


def _explain(upscaler, todo, options):
    """Says what would be done; returns the exit code."""
    from wdsr_tf.video.upscale import plan

    failed = 0
    for source, target in todo:
        try:
            job = plan(upscaler, source, target, options)
        except (InputError, OSError) as error:
            complain_of("Would fail", source, error)
            failed = 1
            continue
        say(f"{one_line(source)} -> {one_line(target)}: {described(job)}")
    return failed


def described(job):
    """Returns what becomes of a video by its `Plan`, for a dry run."""
    old, new = job.source, job.encoding
    return (
        f"about {job.options.sample.count(old.frames, old.rate)} frames, {old.width} x {old.height} -> "
        f"{new.width} x {new.height}, {new.codec}, {new.layout.name}"
    )


def _upscale_one(flags, upscaler, journal, source, target, options):
    """Upscales one video and shows its progress in frames; returns (source, error) if it fails."""
    from wdsr_tf.video.record import upscale_one

    root = Path(flags.indir)
    name = source.relative_to(root.parent if root.is_file() else root).as_posix()
    with _Bar(source.name) as bar:
        try:
            upscale_one(
                upscaler,
                journal,
                source,
                target,
                name,
                options,
                overwrite=flags.overwrite,
                resume=flags.resume,
                progress=bar.show,
                log=say,
            )
        except Exception as error:  # whatever is wrong with one video, the others are upscaled
            return source, error
    return None


class _Bar:
    """A progress bar that begins where the work does, so that the time that is left is right after `--resume`."""

    def __init__(self, name):
        self._name, self._bar = one_line(name), None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._bar is not None:
            self._bar.close()

    def show(self, done, total):
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(total=total, initial=done, bar_format=BAR)
            self._bar.set_postfix_str(self._name)
        self._bar.total = total
        self._bar.update(done - self._bar.n)
