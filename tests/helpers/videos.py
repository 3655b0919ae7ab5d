"""Videos made with PyAV, and what PyAV and ffprobe find in them. Import after `pytest.importorskip("av")`."""

import dataclasses
import itertools
import json
import shutil
import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest

RATE = 48_000
SUBTITLES = ((100, 700, "Hello"), (1100, 1700, "World"))  # begin and end in ms
LEFT_TURN = (0, -(1 << 16), 0, 1 << 16, 0, 0, 0, 0, 1 << 30)  # a display matrix


class Repeating:
    """An `Upscaler` that repeats every pixel `scale` times in both directions, and counts frames."""

    max_pixels = 250e6

    def __init__(self, scale=2, before=lambda count: None):
        self.scale, self.before, self.count = scale, before, 0

    def result_size(self, height, width):
        return height * self.scale, width * self.scale

    def recipe_of(self, height, width):
        return ("repeating",), {"scale": self.scale}

    def upscale(self, rgb, bits):
        self.count += 1
        self.before(self.count)
        return rgb.repeat(self.scale, axis=0).repeat(self.scale, axis=1)


@dataclasses.dataclass
class Shape:
    """How `write` makes the video stream."""

    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    size: tuple = (48, 64)
    options: dict = dataclasses.field(default_factory=dict)
    time_base: Fraction = Fraction(1, 12_800)
    tags: tuple = (2, 2, 2, 0)
    aspect: Fraction | None = None
    rotation: tuple | None = None


def steady(count, rate=25, time_base=Fraction(1, 12_800)):
    """Time stamps at a constant rate."""
    return [round(n / rate / time_base) for n in range(count)]


def moving(height, width, number):
    """A smooth picture in which something moves."""
    y, x = np.mgrid[:height, :width]
    red = 127 + 100 * np.sin(x / 9 + number / 3)
    green = 127 + 100 * np.cos(y / 7 - number / 5)
    return np.stack([red, green, np.full_like(red, 40 + 5 * (number % 40))], axis=-1).astype("uint8")


def write(
    path, times=None, shape=None, *, sounds=(), subtitles=False, chapters=(), attachments=(), tags=None, picture=moving
):
    """Writes a video with a frame `picture(height, width, number)` at each of `times`.

    `sounds` are languages: one stream of a tone in each; `attachments` are (name, MIME type, content); `tags` are the
    video stream's.
    """
    shape, times = shape or Shape(), steady(25) if times is None else times
    with av.open(str(path), "w") as container:
        stream = container.add_stream(shape.codec, rate=25, options=dict(shape.options))
        stream.height, stream.width = shape.size
        stream.pix_fmt = shape.pix_fmt
        stream.codec_context.time_base = stream.time_base = shape.time_base
        stream.color_primaries, stream.color_trc, stream.colorspace, stream.color_range = shape.tags
        if shape.aspect:
            stream.sample_aspect_ratio = shape.aspect
        stream.set_display_matrix(shape.rotation)
        stream.metadata.update(tags or {})
        tones = [_sound(container, language) for language in sounds]
        texts = container.add_mux_stream("subrip") if subtitles else None
        for attachment in attachments:
            container.add_attachment(*attachment)
        if chapters:
            unit = Fraction(1, 1000)
            bounds = itertools.pairwise(range(0, 1000 * len(chapters) + 1, 1000))
            container.set_chapters(
                [
                    {"id": n, "start": start, "end": end, "time_base": unit, "metadata": {"title": title}}
                    for n, (title, (start, end)) in enumerate(zip(chapters, bounds, strict=True), 1)
                ]
            )
        container.metadata["title"] = "Film & more"
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(*shape.size, number), format="rgb24")
            frame.pts, frame.time_base = time, shape.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        seconds = float((times[-1] - times[0]) * shape.time_base) + 0.04 if times else 0
        for number, tone in enumerate(tones, 2):
            _play(container, tone, 220 * number, seconds)
        for begin, end, text in SUBTITLES if texts else ():
            packet = av.Packet(text.encode())
            packet.stream, packet.time_base = texts, Fraction(1, 1000)
            packet.pts = packet.dts = begin
            packet.duration = end - begin
            container.mux(packet)


def _sound(container, language):
    stream = container.add_stream("aac", rate=RATE)
    stream.metadata["language"] = language
    return stream


def _play(container, stream, hertz, seconds):
    tone = np.sin(np.arange(int(RATE * seconds)) * (2 * np.pi * hertz / RATE)).astype("float32") / 4
    for start in range(0, len(tone), 1024):
        part = np.repeat(tone[None, start : start + 1024], 2, axis=0)
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def times_of(path):
    """The seconds at which frames are shown, in order."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def frames_of(path):
    """The decoded frames, as arrays of their planes."""
    with av.open(str(path)) as container:
        return [[bytes(plane) for plane in frame.planes] for frame in container.decode(video=0)]


def packets_of(path, index):
    """The content of a stream's packets."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams[index]) if packet.size]


def kinds_of(path):
    """The types of the streams, in order."""
    with av.open(str(path)) as container:
        return [stream.type for stream in container.streams]


def ffprobe(path, *entries):
    """What ffprobe says about the first video stream; skips where it isn't installed."""
    if not shutil.which("ffprobe"):
        pytest.skip("ffprobe isn't installed (Debian: apt install ffmpeg)")
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-of", "json", *entries, str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
