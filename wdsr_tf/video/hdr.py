"""HDR's static metadata: the mastering display (SMPTE ST 2086) and the content light level (CTA-861.3)."""

import dataclasses
import struct

MASTERING = struct.Struct("=20i2i")  # AVMasteringDisplayMetadata: ten fractions, two flags
LEVEL = struct.Struct("=2I")  # AVContentLightMetadata


@dataclasses.dataclass(frozen=True)
class Light:
    """HDR's static metadata; None for what a video doesn't have.

    Args:
        primaries: x and y of red, green, blue, and white, in 1/50,000.
        luminance: least and greatest of the mastering display, in 1/10,000 cd/m2.
        level: greatest of a pixel, and of a frame's mean, in cd/m2.
    """

    primaries: tuple[int, ...] | None = None
    luminance: tuple[int, int] | None = None
    level: tuple[int, int] | None = None

    def __bool__(self):
        return any(dataclasses.astuple(self))

    def is_near(self, other: "Light", share: float) -> bool:
        """Whether `other` has all that this has, but for a share of each number, or one unit."""
        return all(
            mine is None
            or (theirs is not None and all(abs(a - b) <= max(1, share * a) for a, b in zip(mine, theirs, strict=True)))
            for mine, theirs in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        )


def light_of(frame) -> Light:
    """Returns the `Light` that a PyAV frame carries."""
    primaries = luminance = level = None
    for data in frame.side_data:
        if data.type.name == "MASTERING_DISPLAY_METADATA":
            *numbers, has_primaries, has_luminance = MASTERING.unpack(bytes(data)[: MASTERING.size])
            values = [above / below if below else 0.0 for above, below in zip(*[iter(numbers)] * 2, strict=True)]
            primaries = tuple(round(50_000 * value) for value in values[:8]) if has_primaries else None
            luminance = tuple(round(10_000 * value) for value in values[8:]) if has_luminance else None
        elif data.type.name == "CONTENT_LIGHT_LEVEL":
            level = LEVEL.unpack(bytes(data)[: LEVEL.size])
    return Light(primaries, luminance, level)


def encoder_options(light: Light, codec: str) -> dict[str, str]:
    """Returns the encoder's options that write `light` into the stream; empty for encoders that can't."""
    names = {
        "libx264": ("x264-params", "mastering-display", "cll"),
        "libx265": ("x265-params", "master-display", "max-cll"),
        "libsvtav1": ("svtav1-params", "mastering-display", "content-light"),
    }
    if codec not in names or (light.primaries is None) != (light.luminance is None):
        return {}
    option, display, content = names[codec]
    parts = []
    if light.primaries:
        parts.append(f"{display}={_display(light, in_units=codec != 'libsvtav1')}")
    if light.level:
        parts.append(f"{content}={light.level[0]},{light.level[1]}")
    return {option: ":".join(parts)} if parts else {}


def _display(light, in_units):
    """`G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)`, as integers of the units above or as decimals."""

    def text(value, unit):
        return str(value) if in_units else f"{value / unit:.6f}"

    red, green, blue, white = zip(*[iter(light.primaries)] * 2, strict=True)
    places = "".join(
        f"{name}({text(x, 50_000)},{text(y, 50_000)})"
        for name, (x, y) in (("G", green), ("B", blue), ("R", red), ("WP", white))
    )
    least, greatest = light.luminance
    return f"{places}L({text(greatest, 10_000)},{text(least, 10_000)})"
