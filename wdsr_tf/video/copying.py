"""Copies of streams, as they are, in a container of another format."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from wdsr_tf.video.pyav import opened, require
from wdsr_tf.video.source import COVER

FORMATS = {".mkv": "matroska", ".mp4": "mp4", ".mov": "mov", ".webm": "webm"}
COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}
# Of the old file, not of what is in it: a muxer writes its own, or it has become wrong.
OLD_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "vendor_id"}
STATISTICS = ("_STATISTICS", "BPS", "NUMBER_OF_", "DURATION")  # mkvmerge's


def others(container, index: int) -> list:
    """Returns the streams to copy: all but the video stream `index`, and the one of MP4 that has chapters' titles."""
    from av.stream import Discard

    return [each for each in container.streams if each.index != index and each.discard != Discard.all]


def add_copy(container, stream, suffix: str):
    """Adds a copy of `stream`; returns it, or None for one whose content is written with the header."""
    if stream.type == "attachment":
        container.add_attachment(stream.name or "file", stream.mimetype or "application/octet-stream", stream.data)
        return None
    if _becomes_attachment(stream, suffix):
        container.add_attachment(*COVERS[stream.codec_context.name], _first_packet(stream))
        return None
    copy = container.add_stream_from_template(stream, opaque=True)
    copy.metadata.update(kept_tags(stream.metadata))
    copy.disposition = stream.disposition
    return copy


def kinds(path: Path, indices: Iterable[int], suffix: str) -> Counter:
    """Returns how many copies of each type of stream a result has."""
    with opened(path) as inputs:
        streams = [inputs.streams[index] for index in indices]
        return Counter("attachment" if _becomes_attachment(each, suffix) else each.type for each in streams)


def kept_tags(metadata: dict[str, str]) -> dict[str, str]:
    """Returns metadata without what describes the old file: brands, encoders, statistics."""
    return {
        name: text
        for name, text in metadata.items()
        if name.lower() not in OLD_TAGS and not name.startswith(STATISTICS)
    }


def fits(stream, suffix: str, folder: Path) -> bool:
    """Whether a file of that suffix can hold a copy of `stream`; tried out in `folder`."""
    av = require()
    if suffix == ".webm" and stream.type in ("attachment", "data"):
        return False
    trial = folder / f"trial{suffix}"
    try:
        with av.open(str(trial), "w", format=FORMATS[suffix]) as container:
            add_copy(container, stream, suffix)
            container.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    finally:
        trial.unlink(missing_ok=True)
    return True


def described(stream) -> str:
    """Returns `stream 3 (subtitle, srt, deu)`."""
    name = stream.codec_context.name if stream.codec_context else stream.name
    language = f", {stream.language}" if stream.language else ""
    return f"stream {stream.index} ({stream.type}, {name or 'unknown codec'}{language})"


def _becomes_attachment(stream, suffix):
    """Whether it's a cover in Matroska, which has covers as attachments."""
    is_cover = stream.type == "video" and stream.disposition & COVER and suffix == ".mkv"
    return bool(is_cover and stream.codec_context and stream.codec_context.name in COVERS)


def _first_packet(stream):
    with opened(stream.container.name) as container:
        for packet in container.demux(container.streams[stream.index]):
            if packet.size:
                return bytes(packet)
    return b""
