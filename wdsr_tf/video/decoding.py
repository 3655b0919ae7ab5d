"""The frames of a video stream, in order, from any time on."""

import dataclasses
import itertools
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.video import color
from wdsr_tf.video.pyav import demuxed, explained, opened
from wdsr_tf.video.sample import Sample
from wdsr_tf.video.source import Source


@dataclasses.dataclass(frozen=True)
class Frame:
    """A frame: its time stamp, how long it is shown, both in units of the stream, and its planes."""

    time: int
    duration: int
    planes: list[np.ndarray]


@dataclasses.dataclass
class Account:
    """What was met on the way; it grows while frames are taken.

    Args:
        damaged: packets that couldn't be decoded, or only with errors.
        last: the last frame that was decoded, even if it wasn't asked for, as (time, duration).
    """

    damaged: int = 0
    last: tuple[int, int] | None = None

    def add_damage(self):
        self.damaged += 1


class Frames:
    """The frames of `source` that are wanted, an iterable to be used once.

    Args:
        source: the video stream.
        sample: which frames; default: all.
        after: a time stamp: only later frames.
        deinterlace: make full frames of fields; otherwise, an interlaced frame raises InputError.
        account: where to record what is met.
    """

    def __init__(self, source: Source, sample: Sample, after: int | None, deinterlace: bool, account: Account):
        self._source, self._sample, self._after = source, sample, after
        self._deinterlace, self._account = deinterlace, account

    def __iter__(self) -> Iterator[Frame]:
        start = self._sample.start(self._source.time_base, self._after)
        frames = self._read(start)
        yield from (self._described(frame) for frame in frames)

    def _read(self, start):
        """PyAV's frames that are wanted."""
        before, is_counted = None, self._sample.first is not None
        frames = self._decoded(None if is_counted else start)
        for number, frame in enumerate(frames, 1):
            time = frame.pts
            if time is None or (before is not None and time <= before):
                raise InputError(
                    f"{self._source.path}: a frame after the time {_seconds(before, self._source)} has no time stamp, "
                    "or one that isn't later. Repair the file first: ffmpeg -fflags +genpts -i IN -c copy OUT.mkv"
                )
            before = time
            self._account.last = (time, frame.duration)
            if self._sample.is_past(number if is_counted else None, time, self._source.time_base):
                return
            if not self._sample.has(number if is_counted else None, time, self._source.time_base):
                continue
            if self._after is None or time > self._after:
                yield frame

    def _decoded(self, start):
        """PyAV's frames from `start` or earlier on, whole ones if they are to be deinterlaced."""
        with opened(self._source.path) as container, explained(self._source.path):
            if start is not None and not self._reaches(container, start):
                start = None
        with opened(self._source.path) as container, explained(self._source.path):
            stream = container.streams[self._source.index]
            stream.thread_type = "AUTO"
            if start is not None:
                container.seek(start, stream=stream)
            frames = self._packets(container, stream)
            yield from self._deinterlaced(frames, stream) if self._deinterlace else self._progressive(frames)

    def _reaches(self, container, start):
        """Whether a seek to `start` gives frames from there, or earlier, on."""
        stream = container.streams[self._source.index]
        try:
            container.seek(start, stream=stream)
            first = next(self._packets(container, stream), None)
        except OSError:
            return False
        return first is not None and first.pts is not None and first.pts <= start

    def _packets(self, container, stream):
        packets = demuxed(container, stream, damaged=self._account.add_damage)
        for packet in itertools.chain(packets, [None]):  # the last flushes the decoder
            try:
                frames = stream.decode(packet)
            except ValueError:  # av.error.InvalidDataError
                self._account.add_damage()
                continue
            for frame in frames:
                self._account.damaged += frame.is_corrupt
                yield frame

    def _progressive(self, frames):
        for frame in frames:
            if frame.interlaced_frame:
                raise InputError(f"{self._source.path}: is interlaced. Pass --deinterlace to make full frames of it.")
            yield frame

    def _deinterlaced(self, frames, stream):
        """One full frame per frame, at the same time: the filter bwdif, for frames that are marked as interlaced."""
        from av.error import BlockingIOError, EOFError
        from av.filter import Graph

        graph = Graph()
        chain = (
            graph.add_buffer(template=stream),
            graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced"),
            graph.add("buffersink"),
        )
        graph.link_nodes(*chain).configure()

        def ready():
            while True:
                try:
                    frame = graph.vpull()
                except (BlockingIOError, EOFError):
                    return
                unit = frame.time_base / self._source.time_base
                frame.pts, frame.duration = int(frame.pts * unit), int(frame.duration * unit)
                frame.time_base = self._source.time_base
                yield frame

        for frame in frames:
            graph.vpush(frame)
            yield from ready()
        graph.vpush(None)
        yield from ready()

    def _described(self, frame):
        source = self._source
        if (frame.width, frame.height) != (source.width, source.height):
            raise InputError(
                f"{source.path}: its frames change from {source.width} x {source.height} to "
                f"{frame.width} x {frame.height} pixels at {_seconds(frame.pts, source)}. Cut it there first."
            )
        return Frame(frame.pts, frame.duration, color.planes_of(frame, source.layout))


def _seconds(time, source):
    return "0 s" if time is None else f"{float(Fraction(time) * source.time_base):.3f} s"
