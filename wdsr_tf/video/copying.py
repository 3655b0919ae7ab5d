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
    """Returns the streams to copy: all but the video stream `index`.

    Those of QuickTime that hold the titles of chapters, and the time code, aren't among them: these are also chapters
    and a tag of the video, from which muxers make such streams again.
    """
    from av.stream import Discard

    return [
        each
        for each in container.streams
        if each.index != index
        and each.discard != Discard.all
        and not (each.type == "data" and "timecode" in each.metadata)
    ]


def add_copy(container, stream, suffix: str):
    """Adds a copy of `stream`; returns it, or None for one whose content is written with the header."""
    if stream.type == "attachment":
        container.add_attachment(stream.name or "file", stream.mimetype or "application/octet-stream", stream.data)
        return None
    if _becomes_attachment(stream, suffix):
        name, form = COVERS[stream.codec_context.name]
        tags = stream.metadata
        container.add_attachment(tags.get("filename", name), tags.get("mimetype", form), _first_packet(stream))
        return None
    copy = container.add_stream_from_template(stream, opaque=True)
    copy.metadata.update(kept_tags(stream.metadata))
    copy.disposition = stream.disposition
    return copy


def kind(stream) -> str:
    """Returns the type of a stream, or "cover", which some containers have as an attachment, others as video."""
    return "cover" if stream.disposition & COVER else stream.type


def kinds(path: Path, indices: Iterable[int]) -> Counter:
    """Returns how many streams of each kind there are among those with these indices."""
    with opened(path) as inputs:
        return Counter(kind(inputs.streams[index]) for index in indices)


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
    if stream.type == "data" and (suffix == ".webm" or _name(stream) is None):  # muxers notice it only later
        return False
    if suffix == ".webm" and stream.type == "attachment":
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
    name = _name(stream)
    language = f", {stream.language}" if stream.language else ""
    return f"stream {stream.index} ({stream.type}, {name or 'unknown codec'}{language})"


def _name(stream):
    """The name of a stream's codec, or of an attachment's file; None if it's unknown."""
    if stream.codec_context:
        return stream.codec_context.name
    return stream.name if stream.type in ("attachment", "data") else None


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
