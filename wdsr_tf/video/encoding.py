"""How results are encoded: the encoder, its options, the pixel format, and the tags of the stream."""

import dataclasses
from fractions import Fraction

from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.video import color, hdr
from wdsr_tf.video.color import Layout
from wdsr_tf.video.pyav import require
from wdsr_tf.video.source import Source

CODEC = "libx264"
CRF = {"libx264": 16, "libx265": 18, "libsvtav1": 20, "libvpx-vp9": 18}  # defaults that are hard to tell from lossless
GROUP = 250  # frames from key frame to key frame, at most
QUIET = {"libx265": {"x265-params": "log-level=error"}}  # its reports go to stderr, past FFmpeg
NEAR = Fraction(1, 100)  # how far a result may be from its source's shape without another aspect of pixels


@dataclasses.dataclass(frozen=True)
class Encoding:
    """The video stream of a result, before any frame.

    Args:
        codec: name of FFmpeg's encoder.
        options: for it.
        width: of a frame.
        height: of a frame.
        layout: of the pixels, as they are computed.
        pix_fmt: as the encoder takes them; the same, or the same values packed.
        matrix: of YUV.
        full: whether values fill the range of their type.
        tags: (primaries, transfer, matrix, range) by H.273's numbers.
        aspect: of a pixel, or None.
        time_base: seconds per unit of a time stamp.
        rate: frames per second, on average.
    """

    codec: str
    options: dict[str, str]
    width: int
    height: int
    layout: Layout
    pix_fmt: str
    matrix: int
    full: bool
    tags: tuple[int, int, int, int]
    aspect: Fraction | None
    time_base: Fraction
    rate: Fraction

    @property
    def colors(self):
        """The arguments of `color.to_planes` after the pixels."""
        return self.layout, self.matrix, self.full

    def add_to(self, container):
        """Returns a new stream in a container that is open for writing, ready to encode."""
        stream = container.add_stream(self.codec, rate=self.rate, options=dict(self.options))
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, self.pix_fmt
        stream.codec_context.time_base = stream.time_base = self.time_base
        stream.color_primaries, stream.color_trc, stream.colorspace, stream.color_range = self.tags
        if self.aspect:
            stream.sample_aspect_ratio = self.aspect
        stream.gop_size = GROUP
        stream.thread_type = "AUTO"  # PyAV's own, slices, costs libx264 quality
        return stream


def plan(source: Source, size: tuple[int, int], codec=None, crf=None, preset=None, pix_fmt=None) -> Encoding:
    """Returns the `Encoding` of a result for `source`.

    Args:
        source: the video stream.
        size: (height, width) of the result.
        codec: FFmpeg's encoder; default: libx264.
        crf: quality, smaller is better; default: one that keeps it.
        preset: of the encoder.
        pix_fmt: default: as the source's, or the next that keeps all of it.

    Raises:
        InputError: the encoder is unknown, or can't keep the source's depth or chroma.
    """
    codec = codec or CODEC
    encoder = _encoder(codec)
    layout, pix_fmt = _layout(source, encoder, pix_fmt)
    matrix, tags, full = _colors(source, layout, size)
    height, width = size
    across, down = (1 << step for step in layout.sub)
    if codec.startswith(("libx26", "h264_", "hevc_", "libsvtav1")) and (width % across or height % down):
        raise InputError(
            f"{source.path}: would become {width} x {height} pixels, and {layout.name} needs an even number of them. "
            f"Pass --size {width + width % across}x{height + height % down}, or --pix-fmt yuv444p."
        )
    return Encoding(
        codec=codec,
        options=_options(codec, encoder, crf, preset, source.light),
        width=width,
        height=height,
        layout=layout,
        pix_fmt=pix_fmt,
        matrix=matrix,
        full=full,
        tags=tags,
        aspect=_aspect(source, size),
        time_base=source.time_base,
        rate=source.rate.limit_denominator(2**16),
    )


def _encoder(codec):
    av = require()
    try:
        encoder = av.codec.Codec(codec, "w")
    except ValueError:
        known = [name for name in av.codecs_available if _is_video_encoder(name)]
        raise InputError(
            f"Unknown encoder {codec!r}. {suggestion(codec, known)}'python -m av --codecs' lists those of PyAV."
        ) from None
    if encoder.type != "video":
        raise InputError(f"{codec} doesn't encode video. Use libx264, libx265 or libsvtav1.")
    return encoder


def _is_video_encoder(name):
    av = require()
    try:
        return av.codec.Codec(name, "w").type == "video"
    except ValueError:
        return False


def _options(codec, encoder, crf, preset, light):
    """The encoder's options; nvenc's name for `crf` is `cq`."""
    av = require()
    private = {option.name for option in av.codec.CodecContext.create(encoder.name, "w").supported_options.private}
    quality = next((name for name in ("crf", "cq") if name in private), None)
    if crf is not None and quality is None:
        raise InputError(f"--crf: the encoder {codec} has no such quality. Leave it out.")
    if preset is not None and "preset" not in private:
        raise InputError(f"--preset: the encoder {codec} has none. Leave it out.")
    options = {}
    value = CRF.get(codec, 18 if quality == "cq" else None) if crf is None else crf
    if quality and value is not None:
        options[quality] = f"{value:g}"
    if preset is not None:
        options["preset"] = preset
    if codec == "libvpx-vp9":
        options |= {"b": "0"}  # otherwise crf is only a limit
    for name, text in (*hdr.encoder_options(light, codec).items(), *QUIET.get(codec, {}).items()):
        options[name] = f"{options[name]}:{text}" if name in options else text
    return options


def _layout(source, encoder, pix_fmt):
    """(layout, pixel format): the encoder's first that keeps the source's, or `pix_fmt`."""
    formats = [form.name for form in encoder.video_formats or ()]
    if pix_fmt is not None:
        if formats and pix_fmt not in formats:
            raise InputError(f"--pix-fmt: the encoder {encoder.name} takes {', '.join(formats)}, not {pix_fmt!r}.")
        try:
            return color.layout_of(pix_fmt), pix_fmt
        except (InputError, ValueError):
            raise InputError(f"--pix-fmt: {pix_fmt} isn't supported. Use yuv420p, yuv444p or yuv420p10le.") from None
    keeping = []
    for name in formats:
        try:
            layout = color.layout_of(name)
        except InputError:
            continue
        alike = (layout.kind, layout.sub) == (source.layout.kind, source.layout.sub) and not name.startswith("yuvj")
        if alike and layout.bits >= source.layout.bits:
            keeping.append((layout.bits, layout.name != name, len(keeping), layout, name))
    if not keeping:
        raise InputError(
            f"{source.path}: the encoder {encoder.name} has no pixel format that keeps its {source.layout.name}. Use "
            f"another --codec, such as libx265 or ffv1, or pass --pix-fmt; it takes {', '.join(formats)}."
        )
    return min(keeping)[-2:]


def _colors(source, layout, size):
    """(matrix, tags, full) of the result: as the source's, and named where players would guess another one."""
    primaries, transfer, matrix_tag, range_tag = source.tags
    matrix, full = source.matrix, source.full
    if layout.kind == "rgb":
        return color.BT709, (primaries, transfer, color.RGB, color.FULL), True
    if source.layout.kind == "rgb":
        return color.BT709, (primaries, transfer, color.BT709, 1), False
    if matrix_tag == color.UNSPECIFIED and layout.kind == "yuv" and color.guessed_matrix(size[0]) != matrix:
        matrix_tag = matrix
    return matrix, (primaries, transfer, matrix_tag, color.FULL if full else range_tag), full


def _aspect(source, size):
    """The pixels' aspect that keeps the shape of the picture on the screen."""
    height, width = size
    change = Fraction(source.width * height, source.height * width)
    if abs(change - 1) <= NEAR:
        return source.aspect
    return ((source.aspect or 1) * change).limit_denominator(2**12)
