"""Frames of a video, which are YUV or RGB in planes, to RGB in 0..1 and back; in float32, rounded once at the end.

swscale would lose about a level on the way to 16-bit RGB and back, so this is NumPy: Y'CbCr by the matrix and the range
of ITU-T H.273, chroma resampled linearly. In 4:2:0, chroma lies between two rows and in the left of two columns, as
MPEG-2, H.264, and HEVC have it unless they say otherwise.
"""

import dataclasses

import numpy as np

from wdsr_tf.errors import InputError

RGB, BT709, UNSPECIFIED, FCC, BT470BG, SMPTE170M, SMPTE240M, BT2020 = 0, 1, 2, 4, 5, 6, 7, 9  # H.273's matrices
WEIGHTS = {  # of red and blue in luma
    BT709: (0.2126, 0.0722),
    FCC: (0.30, 0.11),
    BT470BG: (0.299, 0.114),
    SMPTE170M: (0.299, 0.114),
    SMPTE240M: (0.212, 0.087),
    BT2020: (0.2627, 0.0593),
}
OTHER_MATRICES = {
    8: "YCgCo",
    10: "BT.2020 with constant luminance",
    11: "SMPTE 2085",
    12: "chroma-derived",
    13: "chroma-derived with constant luminance",
    14: "ICtCp",
    15: "IPT-C2 (Dolby Vision profile 5)",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}
FULL = 2  # AVColorRange
SD_HEIGHT = 576  # up to here, players take an untagged matrix for BT.601, beyond for BT.709
PLANAR = {  # layouts that have planes of the same depth and sampling
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "nv12": "yuv420p",
    "nv21": "yuv420p",
    "p010le": "yuv420p10le",
    "rgb24": "gbrp",
    "bgr24": "gbrp",
    "rgb0": "gbrp",
    "bgr0": "gbrp",
    "0rgb": "gbrp",
    "0bgr": "gbrp",
}


@dataclasses.dataclass(frozen=True)
class Layout:
    """What a pixel format says, for those that this module converts.

    Args:
        name: FFmpeg's, of a planar format.
        kind: "yuv", "gray" or "rgb".
        bits: per sample.
        sub: log2 of the chroma's subsampling, (across, down).
    """

    name: str
    kind: str
    bits: int
    sub: tuple[int, int]

    @property
    def dtype(self):
        return "uint8" if self.bits == 8 else "<u2"


def layout_of(name: str) -> Layout:
    """Returns the `Layout` of a pixel format, or of its planar equivalent; raises InputError for others."""
    from av.video.format import VideoFormat

    name = PLANAR.get(name, name)
    form = VideoFormat(name, 16, 16)
    parts = form.components
    if any(part.is_alpha for part in parts):
        raise InputError(f"its pixels ({name}) have an alpha channel, which isn't supported")
    bits = {part.bits for part in parts}
    planes = {part.plane for part in parts}
    supported = len(parts) in (1, 3) and len(planes) == len(parts) and len(bits) == 1 and 8 <= max(bits) <= 16
    if not supported or form.is_big_endian or form.has_palette or form.is_bit_stream or "f" in name.partition("p")[2]:
        raise InputError(f"its pixel format {name} isn't supported")
    if len(parts) == 1:
        return Layout(name, "gray", max(bits), (0, 0))
    if form.is_rgb:
        return Layout(name, "rgb", max(bits), (0, 0))
    sub = tuple(16 // length - 1 for length in (form.chroma_width(16), form.chroma_height(16)))
    if max(sub) > 1:
        raise InputError(f"its pixel format {name} isn't supported")
    return Layout(name, "yuv", max(bits), sub)


def guessed_matrix(height: int) -> int:
    """Returns the matrix that players assume for a video of that height without a tag."""
    return SMPTE170M if height <= SD_HEIGHT else BT709


def planes_of(frame, layout: Layout) -> list[np.ndarray]:
    """Returns the planes of a PyAV frame as arrays, which share its memory."""
    if frame.format.name != layout.name:
        frame = frame.reformat(format=layout.name)
    return [_array(plane, layout) for plane in frame.planes]


def to_rgb(planes: list[np.ndarray], layout: Layout, matrix: int, full: bool) -> np.ndarray:
    """Returns planes as RGB, H x W x 3, float32 in 0..1.

    Args:
        planes: as `planes_of` returns them.
        layout: of the planes.
        matrix: one of `WEIGHTS`; means nothing for gray and RGB.
        full: whether values fill the range of their type, rather than 16..235 of 255.
    """
    if layout.kind == "rgb":
        green, blue, red = (_scaled(plane, layout, full, chroma=False) for plane in planes)
        rgb = np.stack([red, green, blue], axis=-1)
    elif layout.kind == "gray":
        rgb = np.repeat(_scaled(planes[0], layout, full, chroma=False)[..., None], 3, axis=-1)
    else:
        luma = _scaled(planes[0], layout, full, chroma=False)
        cb, cr = (_upsampled(_scaled(plane, layout, full, chroma=True), layout.sub, luma.shape) for plane in planes[1:])
        red, blue = WEIGHTS[matrix]
        green = 1 - red - blue
        rgb = np.empty((*luma.shape, 3), "float32")
        rgb[..., 0] = luma + 2 * (1 - red) * cr
        rgb[..., 2] = luma + 2 * (1 - blue) * cb
        rgb[..., 1] = (luma - red * rgb[..., 0] - blue * rgb[..., 2]) / green
    return np.clip(rgb, 0, 1, out=rgb)


def to_planes(rgb: np.ndarray, layout: Layout, matrix: int, full: bool) -> list[np.ndarray]:
    """Returns RGB in 0..1 as planes; the inverse of `to_rgb`."""
    red, green, blue = (rgb[..., channel] for channel in range(3))
    if layout.kind == "rgb":
        return [_codes(plane, layout, full, chroma=False) for plane in (green, blue, red)]
    weight_red, weight_blue = WEIGHTS.get(matrix, WEIGHTS[BT709])
    luma = weight_red * red + (1 - weight_red - weight_blue) * green + weight_blue * blue
    planes = [_codes(luma, layout, full, chroma=False)]
    if layout.kind == "yuv":
        for color, weight in ((blue, weight_blue), (red, weight_red)):
            chroma = _downsampled((color - luma) / (2 * (1 - weight)), layout.sub)
            planes.append(_codes(chroma, layout, full, chroma=True))
    return planes


def to_frame(planes: list[np.ndarray], layout: Layout):
    """Returns a PyAV frame of the planes."""
    from av import VideoFrame

    height, width = planes[0].shape
    frame = VideoFrame(width, height, layout.name)
    for plane, values in zip(frame.planes, planes, strict=True):
        _array(plane, layout)[:] = values
    return frame


def _array(plane, layout):
    values = np.frombuffer(plane, layout.dtype)
    return values.reshape(-1, plane.line_size // values.itemsize)[: plane.height, : plane.width]


def _bounds(layout, full, chroma):
    """(code of 0, codes from there to 1): of luma in 0..1, or of chroma in -0.5..0.5."""
    unit, top = 2 ** (layout.bits - 8), 2**layout.bits - 1
    if full:
        return (2 ** (layout.bits - 1), top) if chroma else (0, top)
    return (128 * unit, 224 * unit) if chroma else (16 * unit, 219 * unit)


def _scaled(plane, layout, full, chroma):
    zero, one = _bounds(layout, full, chroma)
    return (plane.astype("float32") - np.float32(zero)) * np.float32(1 / one)


def _codes(values, layout, full, chroma):
    zero, one = _bounds(layout, full, chroma)
    codes = values * np.float32(one) + np.float32(zero + 0.5)  # rounds to nearest when it's cut
    return np.clip(codes, 0, 2**layout.bits - 1, out=codes).astype(layout.dtype)


def _upsampled(chroma, sub, shape):
    if sub[1]:
        above, below = np.concatenate([chroma[:1], chroma[:-1]]), np.concatenate([chroma[1:], chroma[-1:]])
        chroma = _interleaved(0.75 * chroma + 0.25 * above, 0.75 * chroma + 0.25 * below, 0)
    if sub[0]:
        right = np.concatenate([chroma[:, 1:], chroma[:, -1:]], axis=1)
        chroma = _interleaved(chroma, 0.5 * (chroma + right), 1)
    return chroma[: shape[0], : shape[1]]


def _downsampled(chroma, sub):
    if sub[0]:
        padded = np.pad(chroma, ((0, 0), (1, 1 + chroma.shape[1] % 2)), mode="edge")
        chroma = 0.25 * padded[:, :-2:2] + 0.5 * padded[:, 1:-1:2] + 0.25 * padded[:, 2::2]
    if sub[1]:
        padded = np.pad(chroma, ((0, chroma.shape[0] % 2), (0, 0)), mode="edge")
        chroma = 0.5 * (padded[::2] + padded[1::2])
    return chroma


def _interleaved(first, second, axis):
    stacked = np.stack([first, second], axis=axis + 1)
    shape = list(first.shape)
    shape[axis] *= 2
    return stacked.reshape(shape)
