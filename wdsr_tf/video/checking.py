"""The check at the end: what a result has is counted in its file, not taken from what was meant to be written."""

import dataclasses
from collections import Counter
from fractions import Fraction
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.video.copying import kind, others
from wdsr_tf.video.pyav import explained, opened
from wdsr_tf.video.source import video_stream


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a result has to have.

    Args:
        frames: how many.
        first: the time of the first, in seconds.
        last: the time of the last.
        frame: how long that is shown.
        longest: how long any is shown: MP4 has durations in the order of decoding, not of showing.
        streams: how many of each kind have content.
        empty: how many of each kind have none; a container may leave those out.
    """

    frames: int
    first: Fraction
    last: Fraction
    frame: Fraction
    longest: Fraction
    streams: Counter
    empty: Counter


def check(path: Path, expected: Expected) -> None:
    """Raises InputError if the file at `path` doesn't have what is `expected`; times may be rounded by its units."""
    with opened(path) as container, explained(path):
        stream = video_stream(container)
        kinds = Counter(kind(each) for each in others(container, -1))
        if stream is None or not expected.streams <= kinds <= expected.streams + expected.empty:
            raise _wrong(path, "streams", _listed(expected.streams), _listed(kinds))
        packets = [(packet.pts, packet.duration or 0) for packet in container.demux(stream) if packet.size]
        unit = stream.time_base
    if len(packets) != expected.frames:
        raise _wrong(path, "frames", expected.frames, len(packets))
    (first, _), (last, duration) = min(packets), max(packets)
    for name, wanted, found, slack in (
        ("time of the first frame", expected.first, first * unit, unit),
        ("time of the last frame", expected.last, last * unit, unit),
        (
            "duration",
            expected.last + expected.frame - expected.first,
            (last + duration - first) * unit,
            expected.longest + 2 * unit,
        ),
    ):
        if abs(wanted - found) > slack:
            raise _wrong(path, name, f"{float(wanted):.6f} s", f"{float(found):.6f} s")


def _wrong(path, what, wanted, found):
    return InputError(
        f"{path}: the result was checked and is wrong: its {what} should be {wanted}, but it has {found}. It was "
        "removed. Please report this."
    )


def _listed(kinds):
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
