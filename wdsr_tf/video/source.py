"""What a video file says about its first video stream, and which of that can't be kept."""

import dataclasses
import struct
from fractions import Fraction
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.video import color
from wdsr_tf.video.color import Layout
from wdsr_tf.video.hdr import Light, light_of
from wdsr_tf.video.pyav import explained, opened

LOOKED_AT = 4  # frames at the start, for what only frames tell
COVER = 1 << 10  # AV_DISPOSITION_ATTACHED_PIC
LOST_WITH_FRAMES = {  # what frames carry and no encoder is given, by PyAV's names
    "DYNAMIC_HDR_PLUS": "HDR10+ metadata",
    "DYNAMIC_HDR_VIVID": "HDR Vivid metadata",
    "DOVI_RPU_BUFFER": "Dolby Vision metadata",
    "DOVI_METADATA": "Dolby Vision metadata",
    "AMBIENT_VIEWING_ENVIRONMENT": "the ambient viewing environment",
    "STEREO3D": "the arrangement of two views (stereo 3D)",
    "SPHERICAL": "the spherical projection (360 degrees)",
    "ICC_PROFILE": "an ICC profile",
}
LEFT_OUT_OF_FRAMES = {  # said, but no reason to refuse; MPEG-2's pan-and-scan and time codes aren't even that
    "A53_CC": "closed captions in its frames",
    "S12M_TIMECODE": "time codes in its frames",
    "AFD": "the active format description (AFD)",
}
IDENTITY = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """The first video stream of a file that isn't a cover.

    Args:
        path: of the file.
        index: of the stream.
        width: of a frame.
        height: of a frame.
        layout: of the pixels, as they are converted.
        matrix: of YUV; what players assume if no tag tells.
        full: whether values fill the range of their type.
        tags: (primaries, transfer, matrix, range) by H.273's numbers, as the file has them.
        time_base: seconds per unit of a time stamp.
        rate: frames per second, on average.
        aspect: of a pixel, width by height; None if no tag tells.
        rotation: the display matrix, nine numbers, or None.
        light: HDR's static metadata.
        interlaced: whether its first frames are.
        lost: names of what frames carry and the result can't.
        left_out: the same, for what hardly matters to the picture.
        frames: how many there are, or are expected; 0 if nothing tells.
        duration: in seconds by the header, or None.
        start: when it begins, in seconds.
    """

    path: Path
    index: int
    width: int
    height: int
    layout: Layout
    matrix: int
    full: bool
    tags: tuple[int, int, int, int]
    time_base: Fraction
    rate: Fraction
    aspect: Fraction | None
    rotation: tuple[int, ...] | None
    light: Light
    interlaced: bool
    lost: tuple[str, ...]
    left_out: tuple[str, ...]
    frames: int
    duration: float | None
    start: Fraction


def video_stream(container):
    """Returns the first video stream that isn't a cover, or None."""
    return next((stream for stream in container.streams.video if not stream.disposition & COVER), None)


def open_source(path: Path | str) -> Source:
    """Returns the `Source` in the file at `path`.

    Raises:
        InputError: there is no video stream, it can't be decoded, or its pixels or colors aren't supported.
    """
    path = Path(path)
    with opened(path) as container, explained(path):
        stream = video_stream(container)
        if stream is None:
            raise InputError(f"{path}: has no video stream.")
        if stream.codec_context is None:
            raise InputError(f"{path}: its video codec isn't known to PyAV.")
        first, *more = _first_frames(path, container, stream)
        try:
            layout = color.layout_of(first.format.name)
        except InputError as error:
            raise InputError(f"{path}: {error}.") from None
        tags = tuple(
            int(getattr(first, name)) for name in ("color_primaries", "color_trc", "colorspace", "color_range")
        )
        is_full = tags[3] == color.FULL or first.format.name.startswith("yuvj") or layout.kind == "rgb"
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        duration = _duration(container, stream)
        return Source(
            path=path,
            index=stream.index,
            width=first.width,
            height=first.height,
            layout=layout,
            matrix=_matrix(path, tags[2], first, layout),
            full=is_full,
            tags=tags,
            time_base=stream.time_base,
            rate=rate,
            aspect=stream.sample_aspect_ratio or None,
            rotation=_rotation(first),
            light=light_of(first),
            interlaced=any(frame.interlaced_frame for frame in (first, *more)),
            lost=_carried((first, *more), LOST_WITH_FRAMES),
            left_out=_carried((first, *more), LEFT_OUT_OF_FRAMES),
            frames=stream.frames or round((duration or 0) * rate),
            duration=duration,
            start=(stream.start_time or 0) * stream.time_base,
        )


def _first_frames(path, container, stream):
    frames = []
    for packet in container.demux(stream):
        try:
            frames += packet.decode()
        except ValueError:  # av.error.InvalidDataError: a damaged packet, as the middle of a stream may have
            continue
        if len(frames) >= LOOKED_AT:
            break
    if not frames:
        raise InputError(f"{path}: none of its frames can be decoded.")
    return frames


def _duration(container, stream):
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def _matrix(path, tag, frame, layout):
    if layout.kind != "yuv":
        return color.BT709
    if tag in color.WEIGHTS:
        return tag
    if tag not in (color.UNSPECIFIED, 3):  # 3 is reserved
        name = color.OTHER_MATRICES.get(tag, f"number {tag}")
        raise InputError(f"{path}: its color matrix, {name}, isn't supported. Convert it to BT.709 or BT.2020 first.")
    return color.guessed_matrix(frame.height)


def _rotation(frame):
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            matrix = struct.unpack("=9i", bytes(data))
            return None if matrix == IDENTITY else matrix
    return None


def _carried(frames, names):
    found = {data.type.name for frame in frames for data in frame.side_data}
    return tuple(sorted({text for name, text in names.items() if name in found}))
