"""The result: the segments' packets as one stream, beside copies of the source's other streams."""

import bisect
import dataclasses
import heapq
from fractions import Fraction
from pathlib import Path

from wdsr_tf.video import segments
from wdsr_tf.video.copying import FORMATS, add_copy, kept_tags
from wdsr_tf.video.encoding import Encoding
from wdsr_tf.video.pyav import demuxed, explained, opened, require
from wdsr_tf.video.source import Source


@dataclasses.dataclass(frozen=True)
class Part:
    """The piece of time that a result has, in seconds; `begin` becomes time 0. Of a whole video, nothing is cut."""

    begin: Fraction | None = None
    end: Fraction | None = None

    def has(self, packet) -> bool:
        if self.begin is None:
            return True
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None:
            return False
        time *= packet.time_base
        length = (packet.duration or 0) * packet.time_base
        return time < self.end and (time >= self.begin or (time + length > self.begin and length > 1))


WHOLE = Part()


def join(target: Path, source: Source, encoding: Encoding, parts, indices, part: Part, last_duration: int) -> tuple:
    """Writes the result to `target`.

    Args:
        target: where to write; the suffix is the format.
        source: the video stream; the others are read from its file.
        encoding: of the segments.
        parts: the segments, in order.
        indices: of the streams to copy.
        part: the piece of time to copy; of the whole, chapters too.
        last_duration: of the last frame, in units of the source.

    Returns:
        (indices of the copied streams of which there was something to copy, a line for each thing that was changed).
    """
    av = require()
    options = {"avoid_negative_ts": "disabled", "fflags": "+bitexact"}  # the same bytes from the same packets
    if target.suffix in (".mp4", ".mov"):
        unit = str(encoding.time_base.denominator)
        options |= {"video_track_timescale": unit, "movie_timescale": unit}  # the latter of when the video begins
    with (
        opened(source.path) as inputs,
        explained(target, "can't be written"),
        av.open(str(target), "w", format=FORMATS[target.suffix], container_options=options) as outputs,
    ):
        outputs.metadata.update(kept_tags(inputs.metadata))
        copies, video = {}, None
        for stream in inputs.streams:
            if stream.index == source.index:
                video = encoding.add_to(outputs)
                video.metadata.update(kept_tags(stream.metadata))
                video.disposition = stream.disposition
                video.set_display_matrix(source.rotation)
            elif stream.index in indices and (copy := add_copy(outputs, stream, target.suffix)):
                copies[stream.index] = copy
        if part == WHOLE:
            outputs.set_chapters(inputs.chapters())
        written = {index for index in indices if index not in copies}  # with the header
        clock = _Clock(strict=target.suffix in (".mp4", ".mov"))
        begin = part.begin or 0
        encoded = _encoded(parts, encoding, video, last_duration, begin)
        others = _others(inputs, copies, part, clock, begin, written)
        for _, packet in heapq.merge(encoded, others, key=lambda pair: pair[0]):
            outputs.mux_one(packet)
    return written, clock.notes()


def _encoded(parts, encoding, video, last_duration, begin):
    """(time in seconds, packet) of the encoded video, with time stamps for decoding that run through all segments."""
    av = require()
    times = [time for part in parts for time in part.times]
    depth = max((_depth(part) for part in parts), default=0)
    step = max(1, (times[depth] - times[0]) // depth) if 0 < depth < len(times) else max(1, last_duration)
    shift = int(begin / encoding.time_base)
    count = 0
    for part in parts:
        for time, content, is_key in segments.packets(part.path):
            packet = av.Packet(content)
            packet.stream, packet.time_base = video, encoding.time_base
            dts = times[count - depth] if count >= depth else times[0] - (depth - count) * step
            packet.pts, packet.dts = time - shift, dts - shift
            packet.is_keyframe = is_key
            place = bisect.bisect_left(times, time)
            packet.duration = times[place + 1] - time if place + 1 < len(times) else last_duration
            count += 1
            yield packet.dts * encoding.time_base, packet


def _depth(part):
    """How many frames the encoder holds back: by so much decoding is ahead of showing."""
    place = {time: number for number, time in enumerate(part.times)}
    return max(number - place.get(time, number) for number, (time, *_) in enumerate(segments.packets(part.path)))


def _others(inputs, copies, part, clock, begin, written):
    """(time in seconds, packet) of the copied streams; adds the indices of those that have any to `written`."""
    streams = [inputs.streams[index] for index in copies]
    latest = Fraction(-(2**62))
    for packet in demuxed(inputs, *streams) if streams else ():
        if not part.has(packet):
            continue
        base = packet.time_base
        shift = int(begin / base)
        for name in ("pts", "dts"):
            if getattr(packet, name) is not None:
                setattr(packet, name, getattr(packet, name) - shift)
        clock.check(packet)
        time = packet.dts if packet.dts is not None else packet.pts
        latest = max(latest, time * base) if time is not None else latest
        written.add(packet.stream_index)
        packet.stream = copies[packet.stream_index]
        yield latest, packet


class _Clock:
    """Time stamps of copied streams that don't rise, which no muxer takes, are raised.

    Args:
        strict: whether two packets of a stream can't have the same; subtitles can everywhere.
    """

    def __init__(self, strict):
        self._strict, self._last, self._changed = strict, {}, 0

    def check(self, packet):
        if packet.dts is None:
            packet.dts = packet.pts
        if packet.dts is None:
            return
        index = packet.stream_index
        least = self._last.get(index, packet.dts - 1) + (self._strict and packet.stream.type != "subtitle")
        if packet.dts < least:
            packet.dts = least
            packet.pts = packet.dts if packet.pts is None else max(packet.dts, packet.pts)
            self._changed += 1
        self._last[index] = packet.dts

    def notes(self):
        note = f"{self._changed} packets of copied streams were out of order; their times were raised"
        return [note] if self._changed else []
