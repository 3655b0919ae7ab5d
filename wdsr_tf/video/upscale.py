"""A video file, upscaled into another: decoding, computing, and encoding overlap."""

import dataclasses
import itertools
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.files import sha256
from wdsr_tf.inference.upscaler import Upscaler
from wdsr_tf.video import checking, color, encoding, fitting, joining, segments
from wdsr_tf.video.ahead import ahead
from wdsr_tf.video.copying import FORMATS, kinds
from wdsr_tf.video.decoding import Account, Frames
from wdsr_tf.video.pyav import require
from wdsr_tf.video.sample import WHOLE, Sample
from wdsr_tf.video.source import Source, open_source

DEPTH = 2  # frames that wait between two stages, at most
SHORT = 0.02  # of the announced frames, and a second: if more are missing, a video has probably lost its end


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """How to read and write a video.

    Args:
        codec: FFmpeg's encoder; default: libx264.
        crf: its quality, smaller is better; default: 16 for libx264.
        preset: of the encoder.
        pix_fmt: pixel format; default: what keeps the source's.
        deinterlace: make full frames of fields.
        sample: which part; default: all.
        drop_unsupported: leave out streams and metadata that the result can't hold, rather than refuse.
    """

    codec: str | None = None
    crf: float | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    deinterlace: bool = False
    sample: Sample = WHOLE
    drop_unsupported: bool = False


@dataclasses.dataclass(frozen=True)
class Result:
    """What was made: frames in all, those that went through the model in this run, pixels of one, and seconds."""

    frames: int
    computed: int
    pixels: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class Plan:
    """How `source` becomes `target`."""

    source: Source
    target: Path
    encoding: encoding.Encoding
    options: VideoOptions


def plan(upscaler: Upscaler, path: str | os.PathLike, target: str | os.PathLike, options: VideoOptions) -> Plan:
    """Returns the `Plan`; raises InputError for what is already known to fail."""
    source, target = open_source(path), Path(target)
    if target.suffix.lower() not in FORMATS:
        known = ", ".join(FORMATS)
        raise InputError(f"{target}: videos are written as {known}, not {target.suffix or 'without a suffix'}.")
    if math.prod((source.height, source.width)) > upscaler.max_pixels:
        raise InputError(
            f"{source.path}: a frame of {source.width} x {source.height} pixels is larger than the limit of "
            f"{upscaler.max_pixels / 1e6:g} megapixels (max_pixels)."
        )
    if source.interlaced and not options.deinterlace:
        raise InputError(f"{source.path}: is interlaced. Pass --deinterlace to make full frames of it.")
    if source.lost and not options.drop_unsupported:
        raise InputError(
            f"{source.path}: has {', '.join(source.lost)}, which can't be kept. Pass --drop-unsupported to leave it "
            "out."
        )
    size = upscaler.result_size(source.height, source.width)
    chosen = encoding.plan(source, size, options.codec, options.crf, options.preset, options.pix_fmt)
    return Plan(source, target, chosen, options)


def cause(upscaler: Upscaler, job: Plan) -> tuple:
    """Returns what decides about the result: (checksum of the source, checksums of the models, options)."""
    models, options = upscaler.recipe_of(job.source.height, job.source.width)
    video = {**dataclasses.asdict(job.encoding), **dataclasses.asdict(job.options), "form": job.target.suffix}
    return sha256(job.source.path), models, {**options, "video": video}


def upscale_video(
    upscaler: Upscaler,
    path: str | os.PathLike,
    target: str | os.PathLike,
    options: VideoOptions | None = None,
    *,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
    log: Callable[[str], None] | None = None,
    before_naming: Callable[[Path, Result, tuple], None] | None = None,
) -> Result:
    """Upscales the first video stream in `path` and writes it to `target`, with copies of all other streams.

    The result appears when it is complete and checked. Until then, everything is in the folder `.NAME.partial` beside
    it, which is removed after an error or Ctrl-C. A killed process leaves it, with the segments that are finished.

    Args:
        upscaler: what upscales frames.
        path: a video file.
        target: where to write; the suffix, .mkv, .mp4, .mov, or .webm, is the format.
        options: how to read and write it.
        resume: continue from the finished segments of an earlier run with the same options, and keep those of this run
            if it's interrupted.
        progress: called with the numbers of finished and of expected frames.
        log: called with one line about each thing that isn't as in the source. Default: silent.
        before_naming: called with the complete file, still under a temporary name; what was made; and its `cause`.

    Raises:
        InputError: the video can't be read, or `target` can't hold what it has.
    """
    started = time.perf_counter()
    options, log, target = options or VideoOptions(), log or (lambda line: None), Path(target)
    job = plan(upscaler, path, target, options)
    suffix = target.suffix.lower()
    origin = cause(upscaler, job)
    with segments.workspace(target, (origin, require().library_versions), resume, log) as work:
        indices, lost = fitting.check(job.source, job.encoding, suffix, work.folder, options.drop_unsupported)
        for name in (*job.source.lost, *job.source.left_out, *lost):
            log(f"{path}: left out: {name}.")
        computed, account = _encode(upscaler, job, work, progress or (lambda done, total: None))
        finished = work.folder / f"result{suffix}"
        frames = _assemble(job, work, account, indices, finished, log)
        _tell_damage(job, account, frames, log)
        pixels = job.encoding.width * job.encoding.height
        result = Result(frames, computed, pixels, round(time.perf_counter() - started, 3))
        if before_naming:
            before_naming(finished, result, origin)
        finished.replace(target)
    return result


def _sample(job):
    """The part to make, on the clock of the stream, which needn't start at 0."""
    sample = job.options.sample
    if sample.begin is None:
        return sample
    return dataclasses.replace(sample, begin=sample.begin + job.source.start, end=sample.end + job.source.start)


def _encode(upscaler, job, work, progress):
    """Makes the segments that are missing; returns the number of frames that were computed, and the `Account`."""
    source, sample, account = job.source, _sample(job), Account()
    done = sum(len(segment.times) for segment in work.segments)
    total = sample.count(source.frames, source.rate)
    after = work.segments[-1].times[-1] if work.segments else None
    compute = _Compute(upscaler, job)
    frames = Frames(source, sample, after, job.options.deinterlace, account)
    made = ahead(compute(ahead(frames, DEPTH)), DEPTH)
    progress(done, max(total, done))

    def counted(first):
        nonlocal done
        for pair in itertools.chain([first], itertools.islice(made, segments.LENGTH - 1)):
            yield pair
            done += 1
            progress(done, max(total, done))

    try:
        for first in made:
            work.write(job.encoding, counted(first))
    finally:
        made.close()
    if not work.segments:
        raise InputError(f"{source.path}: has no frames in the part that was asked for.")
    return compute.count, account


class _Compute:
    """Frames through the models; `count` is how many went, as equal frames in a row go once."""

    def __init__(self, upscaler, job):
        self._upscaler, self._job, self.count = upscaler, job, 0

    def __call__(self, frames) -> Iterator:
        """Yields (time, PyAV frame) for each frame."""
        before, large = None, None
        try:
            for frame in frames:
                if before is None or not all(map(np.array_equal, frame.planes, before)):
                    large = self._upscaled(frame.planes)
                    self.count += 1
                before = frame.planes
                yield frame.time, large
        finally:
            frames.close()

    def _upscaled(self, planes):
        source, result = self._job.source, self._job.encoding
        rgb = color.to_rgb(planes, source.layout, source.matrix, source.full)
        large = self._upscaler.upscale(rgb, bits=max(source.layout.bits, result.layout.bits))
        return color.to_frame(color.to_planes(large, *result.colors), result.layout)


def _assemble(job, work, account, indices, finished, log):
    """Writes the result to `finished` and checks it; returns the number of frames."""
    source, times = job.source, [time for segment in work.segments for time in segment.times]
    unit, last = source.time_base, times[-1]
    duration = account.last[1] if account.last and account.last[0] == last else 0
    duration = duration or max(1, round(1 / source.rate / unit))
    is_part = bool(job.options.sample)
    part = joining.Part(times[0] * unit, (last + duration) * unit) if is_part else joining.WHOLE
    written, notes = joining.join(finished, source, job.encoding, work.segments, indices, part, duration)
    for note in notes:
        log(f"{source.path}: {note}.")
    begin = part.begin or Fraction(0)
    expected = checking.Expected(
        frames=len(times),
        first=times[0] * unit - begin,
        last=last * unit - begin,
        frame=duration * unit,
        longest=max(duration, *(later - time for time, later in itertools.pairwise(times)), 0) * unit,
        streams=kinds(source.path, written) + Counter(video=1),
        empty=kinds(source.path, set(indices) - written),
    )
    checking.check(finished, expected)
    return len(times)


def _tell_damage(job, account, frames, log):
    source = job.source
    if account.damaged:
        log(f"{source.path}: {account.damaged} packets are damaged; their frames are missing or wrong.")
    missing = source.frames - frames  # by a number that may be an estimate
    if not job.options.sample and missing > max(SHORT * source.frames, source.rate):
        log(f"{source.path}: has only {frames} of the {source.frames} frames that its header announces.")
