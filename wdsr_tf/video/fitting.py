"""What a result can't hold, found out before any work: by trials with headers, and with one encoded frame."""

from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.files import temporary_folder
from wdsr_tf.video import color
from wdsr_tf.video.copying import FORMATS, described, fits, others
from wdsr_tf.video.encoding import Encoding
from wdsr_tf.video.pyav import opened, require
from wdsr_tf.video.source import Source, open_source

TAGS = ("color primaries", "color transfer", "color matrix", "color range")
UNSAID = ((2,), (2,), (2,), (0, 1))  # values of tags that say no more than none: a limited range is the default
NEAR = 0.01  # of the shape of a pixel, and of HDR's numbers, which encoders round
SUFFIXES = (".mkv", ".mp4", ".mov")  # in the order in which they are chosen


def default_suffix(path: Path) -> str:
    """Returns the format to write by default: .mkv, unless it can't hold a stream that .mp4 or .mov can."""
    source = open_source(path)
    with temporary_folder() as folder:
        return next((each for each in SUFFIXES if not _streams(source, each, folder)[1]), ".mkv")


def check(source: Source, encoding: Encoding, suffix: str, folder: Path, drop: bool = False):
    """Finds out what a result can hold.

    Args:
        source: the video stream.
        encoding: of the result.
        suffix: of the result's file.
        folder: for trials.
        drop: leave out what doesn't fit.

    Returns:
        (indices of the streams to copy, names of what is left out).

    Raises:
        InputError: the encoder can't be started, its video doesn't fit into such a file, or something would be lost.
    """
    lost = _lost_by_encoding(source, encoding, suffix, folder)
    if lost and not drop:
        raise InputError(
            f"{source.path}: has {', '.join(lost)}, which {encoding.codec} in {suffix[1:]} doesn't keep. Use another "
            "--codec, such as libx265, or another format, or pass --drop-unsupported to leave it out."
        )
    indices, left = _streams(source, suffix, folder)
    if left and not drop:
        better = [each[1:] for each in SUFFIXES if each != suffix and not _streams(source, each, folder)[1]]
        hint = f"Write {' or '.join(better)}, or pass" if better else "Pass"
        raise InputError(
            f"{source.path}: {suffix[1:]} files can't hold its {', its '.join(left)}. {hint} --drop-unsupported to "
            "leave out what doesn't fit."
        )
    return indices, lost + left


def _streams(source, suffix, folder):
    """(indices, names): of the streams that fit into a file of that suffix, and of those that don't."""
    with opened(source.path) as inputs:
        streams = others(inputs, source.index)
        fitting = [each.index for each in streams if fits(each, suffix, folder)]
        return fitting, [described(each) for each in streams if each.index not in fitting]


def _lost_by_encoding(source, encoding, suffix, folder):
    """Names of what one frame, encoded into a file, hasn't afterwards."""
    trial = folder / f"trial{suffix}"
    try:
        _write_frame(trial, source, encoding, suffix)
        found = open_source(trial)
    finally:
        trial.unlink(missing_ok=True)
    if (found.width, found.height, found.layout.bits) != (encoding.width, encoding.height, encoding.layout.bits):
        raise InputError(f"The encoder {encoding.codec} changes the size or the depth of frames; use another --codec.")
    lost = [
        f"a {name} tag"
        for name, wanted, unsaid, tag in zip(TAGS, encoding.tags, UNSAID, found.tags, strict=True)
        if wanted not in (*unsaid, tag)
    ]
    if encoding.aspect and abs(encoding.aspect / (found.aspect or 1) - 1) > NEAR:
        lost.append(f"pixels of {encoding.aspect.numerator}:{encoding.aspect.denominator}")
    if source.rotation and source.rotation != found.rotation:
        lost.append("a rotation")
    if not source.light.is_near(found.light, NEAR):
        lost.append("HDR metadata (mastering display, light level)")
    return lost


def _write_frame(path, source, encoding, suffix):
    av = require()
    planes = color.to_planes(np.full((encoding.height, encoding.width, 3), 0.5, "float32"), *encoding.colors)
    frame = color.to_frame(planes, encoding.layout)
    frame.pts, frame.time_base = 0, encoding.time_base
    try:
        with av.open(str(path), "w", format=FORMATS[suffix]) as container:
            stream = encoding.add_to(container)
            stream.set_display_matrix(source.rotation)
            for packet in (*stream.encode(frame), *stream.encode(None)):
                packet.dts = packet.pts  # of one frame, libx265 says nonsense
                container.mux(packet)
    except av.FFmpegError as error:
        raise InputError(
            f"The encoder {encoding.codec} can't be used for {encoding.width} x {encoding.height} pixels, "
            f"{encoding.pix_fmt}, in {suffix[1:]} ({error.strerror}). Check --preset, --crf and --pix-fmt, or use "
            "another --codec."
        ) from None
    except ValueError as error:
        raise InputError(
            f"{suffix[1:]} files can't hold video of the encoder {encoding.codec} ({error}). Write mkv, or use another "
            "--codec."
        ) from None
