"""The result: the segments' packets as one stream, beside copies of the source's other streams."""

import bisect

import dataclasses
import heapq
from collections import Counter
from fractions import Fraction
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.video import segments
from wdsr_tf.video.encoding import Encoding
from wdsr_tf.video.pyav import explained, opened, require
from wdsr_tf.video.source import COVER, Source

FORMATS = {".mkv": "matroska", ".mp4": "mp4", ".mov": "mov", ".webm": "webm"}
COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}
# Of the old file, not of what is in it: a muxer writes its own, or it has become wrong.
OLD_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "vendor_id"}


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


def copied(path: Path, suffix: str, encoding: Encoding, source: Source, folder: Path, drop: bool = False):
    """Returns (indices of the streams that are copied, names of those that aren't).

    Raises:
        InputError: a stream, or the encoded video, doesn't fit into a file of that suffix. With `drop`, streams that
            don't fit are left out, but the video.
    """
    fitting = _fitting(path, suffix, source, folder)
    if fitting[1] and not drop:
        others = [each[1:] for each in FORMATS if each != suffix and not _fitting(path, each, source, folder)[1]]
        hint = f"Write {' or '.join(others)}, or pass" if others else "Pass"
        raise InputError(
            f"{path}: {suffix[1:]} files can't hold its {', its '.join(fitting[1])}. {hint} --drop-unsupported to "
            "leave out what doesn't fit."
        )
    av = require()
    trial = folder / f"trial{suffix}"
    try:
        with av.open(str(trial), "w", format=FORMATS[suffix]) as container:
            encoding.add_to(container)
            container.start_encoding()
    except ValueError as error:
        raise InputError(
            f"{suffix[1:]} files can't hold video of the encoder {encoding.codec} ({error}). Write mkv, or use another "
            "--codec."
        ) from None
    except av.FFmpegError as error:
        raise InputError(
            f"The encoder {encoding.codec} can't be started for {encoding.width} x {encoding.height} pixels, "
            f"{encoding.layout.name}, in {suffix[1:]}: {error.strerror}. Check --preset, --crf and --pix-fmt, or use "
            "another --codec."
        ) from None
    finally:
        trial.unlink(missing_ok=True)
    return fitting


def _fitting(path, suffix, source, folder):
    """(indices, names): of the streams that fit into a file of that suffix, and of those that don't."""
    kept, left = [], []
    with opened(path) as inputs:
        for stream in inputs.streams:
            if stream.index == source.index:
                continue
            if _fits(stream, suffix, folder):
                kept.append(stream.index)
            else:
                left.append(_described(stream))
    return kept, left


def kinds(path: Path, indices, suffix: str) -> Counter:
    """Returns how many copies of each type of stream a result has; a cover in mkv is an attachment."""
    with opened(path) as inputs:
        return Counter(_kind(inputs.streams[index], suffix) for index in indices)


def _kind(stream, suffix):
    is_cover = stream.type == "video" and stream.disposition & COVER and suffix == ".mkv"
    return "attachment" if is_cover and stream.codec_context.name in COVERS else stream.type


def _fits(stream, suffix, folder):
    av = require()
    if suffix == ".webm" and stream.type in ("attachment", "data"):
        return False
    trial = folder / f"trial{suffix}"
    try:
        with av.open(str(trial), "w", format=FORMATS[suffix]) as container:
            _add(container, stream, suffix)
            container.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    finally:
        trial.unlink(missing_ok=True)
    return True


def _described(stream):
    name = stream.codec_context.name if stream.codec_context else stream.name
    language = f", {stream.language}" if stream.language else ""
    return f"stream {stream.index} ({stream.type}, {name or 'unknown codec'}{language})"


def _add(container, stream, suffix):
    """Adds a copy of `stream`; returns it, or None for one whose content is written with the header."""
    if stream.type == "attachment":
        container.add_attachment(stream.name or "file", stream.mimetype or "application/octet-stream", stream.data)
        return None
    if stream.disposition & COVER and suffix == ".mkv" and stream.codec_context.name in COVERS:
        container.add_attachment(*COVERS[stream.codec_context.name], _cover(stream))
        return None
    copy = container.add_stream_from_template(stream, opaque=True)
    copy.metadata.update(_tags(stream.metadata))
    copy.disposition = stream.disposition
    return copy


def _cover(stream):
    with opened(stream.container.name) as container:
        for packet in container.demux(container.streams[stream.index]):
            if packet.size:
                return bytes(packet)
    return b""


def _tags(metadata):
    """Metadata without what describes the old file: brands, encoders, mkvmerge's statistics."""
    return {
        name: text
        for name, text in metadata.items()
        if name.lower() not in OLD_TAGS and not name.startswith(("_STATISTICS", "BPS", "NUMBER_OF_", "DURATION"))
    }


def join(target: Path, source: Source, encoding: Encoding, parts, indices, part: Part, last_duration: int) -> list:
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
        Notes: one line for each thing that had to be changed.
    """
    av = require()
    options = {"avoid_negative_ts": "disabled"}
    if target.suffix in (".mp4", ".mov"):
        options["video_track_timescale"] = str(encoding.time_base.denominator)
    with (
        opened(source.path) as inputs,
        explained(target, "can't be written"),
        av.open(str(target), "w", format=FORMATS[target.suffix], container_options=options) as outputs,
    ):
        outputs.metadata.update(_tags(inputs.metadata))
        copies, video = {}, None
        for stream in inputs.streams:
            if stream.index == source.index:
                video = encoding.add_to(outputs)
                video.metadata.update(_tags(stream.metadata))
                video.disposition = stream.disposition
                video.set_display_matrix(source.rotation)
            elif stream.index in indices and (copy := _add(outputs, stream, target.suffix)):
                copies[stream.index] = copy
        if part == WHOLE:
            outputs.set_chapters(inputs.chapters())
        clock = _Clock()
        begin = part.begin or 0
        encoded = _encoded(parts, encoding, video, last_duration, begin)
        others = _others(inputs, copies, part, clock, begin)
        for _, packet in heapq.merge(encoded, others, key=lambda pair: pair[0]):
            outputs.mux_one(packet)
    return clock.notes()


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
    return max(number - place[time] for number, (time, *_) in enumerate(segments.packets(part.path)))


def _others(inputs, copies, part, clock, begin):
    """(time in seconds, packet) of the copied streams."""
    streams = [inputs.streams[index] for index in copies]
    latest = Fraction(-(2**62))
    for packet in inputs.demux(*streams) if streams else ():
        if not packet.size or not part.has(packet):
            continue
        base = packet.time_base
        shift = int(begin / base)
        for name in ("pts", "dts"):
            if getattr(packet, name) is not None:
                setattr(packet, name, getattr(packet, name) - shift)
        clock.check(packet)
        time = packet.dts if packet.dts is not None else packet.pts
        latest = max(latest, time * base) if time is not None else latest
        packet.stream = copies[packet.stream_index]
        yield latest, packet


class _Clock:
    """Time stamps of copied streams that don't rise, which no muxer takes, are raised by one unit."""

    def __init__(self):
        self._last, self._changed = {}, 0

    def check(self, packet):
        index = packet.stream_index
        if packet.dts is None:
            packet.dts = packet.pts
        last = self._last.get(index)
        if packet.dts is not None and last is not None and packet.dts < last:
            packet.dts = last
            packet.pts = max(packet.dts, packet.pts) if packet.pts is not None else packet.dts
            self._changed += 1
        self._last[index] = packet.dts if packet.dts is not None else last

    def notes(self):
        return [f"{self._changed} packets of copied streams were out of order; their times were raised"] * bool(
            self._changed
        )
