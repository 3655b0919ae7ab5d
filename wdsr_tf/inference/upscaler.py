"""One file through the networks that a person's wish takes, and into another."""

import dataclasses
import math
import re
from collections.abc import Callable

from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.inference import budget
from wdsr_tf.inference import routing as choose
from wdsr_tf.inference.alpha import bleed
from wdsr_tf.inference.engines import check_precision, open_engine
from wdsr_tf.inference.picture import outline, picture_strips, resized_strips, upscale_picture, whole, write_strips

LARGEST = 64  # times as large: beyond that a slip of the finger is likelier than a wish
MOST = 16  # times `max_pixels`: the largest picture that is let in, four times as large


@dataclasses.dataclass(frozen=True)
class Size:
    """How large a picture is to become: a factor, or a width, a height, or both in pixels; or None of them.

    Without any, the network's own scale decides.
    """

    factor: float | None = None
    width: int | None = None
    height: int | None = None

    def of(self, height, width):
        """(height, width) that a picture of that size is to get, or None where the network decides.

        Raises InputError where that is nothing, or more than 64 times as large.
        """
        if self.factor:
            wanted = [max(1, round(length * self.factor)) for length in (height, width)]
        elif self.width or self.height:
            both = self.height or round(height * self.width / width), self.width or round(width * self.height / height)
            wanted = [max(1, length) for length in both]
        else:
            return None
        if max(wanted[0] / height, wanted[1] / width) > LARGEST:
            raise InputError(
                f"{width} x {height} pixels would become {wanted[1]} x {wanted[0]}, more than {LARGEST} times as large"
            )
        return tuple(wanted)


def parse_size(scale=None, size=None):
    """The `Size` that the texts of --scale (`2`, `3.5`) or --size (`4000x`, `x3000`, `4000x3000`) stand for."""
    if scale and size:
        raise InputError("--scale and --size say the same in two ways: give one of them")
    if scale:
        try:
            factor = float(scale)
        except ValueError:
            factor = math.nan
        if not 0 < factor <= LARGEST:
            raise InputError(f"--scale is a factor up to {LARGEST} such as 2 or 3.5, not {scale!r}")
        return Size(factor=factor)
    if size:
        match = re.fullmatch(r"(\d{0,7})x(\d{0,7})", size.lower())
        width, height = (int(side or 0) for side in match.groups()) if match else (0, 0)
        if not (width or height) or "0" in match.groups():
            raise InputError(f"--size is a width, a height or both, such as 4000x, x3000 or 4000x3000, not {size!r}")
        return Size(width=width or None, height=height or None)
    return Size()


@dataclasses.dataclass
class Upscaler:
    """The networks at hand and how they run; each is opened once, when a picture first needs it.

    Raises InputError at once where no picture could be made: a memory, a noise, a factor or a precision that cannot be.

    Attributes:
        known: `choose.Network`s.
        size: the `Size` that pictures are to get.
        noise: the level of noise to take away, or None.
        engine: what `open_engine` takes beside the checkpoint.
        how: what `strips` takes beside the picture: memory, self_ensemble.
        quality: of lossy formats, 1 to 100; None is each format's default.
        max_pixels: larger pictures are refused, and results of more than MOST times as many.
        opened: called with each `Engine` when it is opened.
        watch: called with the HR pixels of each tile when it is done, overlaps included.
    """

    known: list
    size: Size
    noise: int | None = None
    engine: dict = dataclasses.field(default_factory=dict)
    how: dict = dataclasses.field(default_factory=dict)
    quality: int | None = None
    max_pixels: float = images.MAX_PIXELS
    opened: Callable = lambda path, engine: None
    watch: Callable = lambda pixels: None

    def __post_init__(self):
        self._engines = {}
        choose.passes(self.known, self.size.factor, self.noise)
        if self.how.get("memory") is not None:
            budget.parse(self.how["memory"])
        check_precision(self.engine.get("name", "keras"), self.engine.get("precision", "float32"))

    def passes(self, height, width, jpeg=False):
        """The networks that a picture of that size runs through, in order; `jpeg`: one from a noisy JPEG file."""
        wanted = self.size.of(height, width)
        return choose.passes(self.known, wanted and max(wanted[0] / height, wanted[1] / width), self.noise, jpeg)

    def result_size(self, height, width):
        """(height, width) that a picture of that size gets, from any file; InputError where that is too large."""
        result = self.size.of(height, width) or self._after(self.passes(height, width), height, width)
        if math.prod(result) > MOST * self.max_pixels:
            raise InputError(
                f"{width} x {height} pixels would become {result[1]} x {result[0]}, more than {MOST} times the "
                f"{self.max_pixels / 1e6:g} megapixels of --max-pixels"
            )
        return result

    def upscale(self, source, target):
        """Reads the picture or animation at `source` and writes it, enlarged, to `target`: whole or not at all."""
        if images.is_animated(source) and images.FORMATS[target.suffix.lower()].animated:
            self._upscale_animation(source, target)
            return
        picture = images.read_picture(source, self.max_pixels)
        if not images.FORMATS[target.suffix.lower()].alpha:
            picture = images.without_opaque_alpha(picture)
        result, dtype = self._result(picture), images.fitting_depth(target, picture.rgb.dtype)
        parts = self._strips(picture, dtype, choose.is_noisy_jpeg(source))
        write_strips(target, outline(picture, result, dtype), result, parts, self.quality)

    def _upscale_animation(self, source, target):
        animation = images.read_frames(source, self.max_pixels)
        result = self._result(animation.frames[0][0])
        images.check_fit(target, *result, "uint8", transparent=False)
        frames = [
            (whole(outline(picture, result, "uint8"), result, self._strips(picture, "uint8")), time)
            for picture, time in animation.frames
        ]
        images.write_animation(target, frames, animation.loop, self.quality)

    def _result(self, picture):
        return self.result_size(*picture.rgb.shape[:2])

    def _strips(self, picture, dtype, jpeg=False):
        """Strips of `picture` in its new size, as `picture_strips` yields them.

        Between passes a picture that becomes uint8 is held as uint16: half of float32's memory, and each rounding is
        1/514 of a level at most.
        """
        networks, result = self.passes(*picture.rgb.shape[:2], jpeg), self._result(picture)
        exact = bool(networks) and self._after(networks, *picture.rgb.shape[:2]) == result
        between = "uint16" if dtype == "uint8" else "float32"
        for network in networks[:-1] if exact else networks:
            picture = upscale_picture(self._engine(network), picture, between, **self.how)
        if not networks and picture.alpha is not None:  # else shrinking mixes what is hidden into the edges
            picture = dataclasses.replace(picture, rgb=bleed(picture.rgb, picture.alpha))
        if exact:
            yield from picture_strips(self._engine(networks[-1]), picture, dtype, **self.how)
        else:
            yield from resized_strips(picture, result, dtype)

    @staticmethod
    def _after(networks, height, width):
        scale = math.prod(network.scale for network in networks)
        return height * scale, width * scale

    def _engine(self, network):
        if network.path not in self._engines:
            engine = open_engine(network.path, **self.engine)
            self.opened(network.path, engine)
            self._engines[network.path] = dataclasses.replace(engine, run=self._watched(engine))
        return self._engines[network.path]

    def _watched(self, engine):
        def run(batch):
            sr = engine.run(batch)
            self.watch(math.prod(batch.shape[:3]) * engine.scale**2)
            return sr

        return run
