"""`Upscaler`: opens models once and upscales files, arrays and PIL images with them."""

import dataclasses
import functools
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from wdsr_tf import images
from wdsr_tf.images.formats import format_of
from wdsr_tf.images.grain import GRAINY, grain
from wdsr_tf.images.limits import limits_of
from wdsr_tf.inference import budget, routing
from wdsr_tf.inference.alpha import bleed
from wdsr_tf.inference.engines import Engine, check_engine
from wdsr_tf.inference.engines.devices import parse_device
from wdsr_tf.inference.inputs import read_input
from wdsr_tf.inference.jpeg import is_noisy_jpeg
from wdsr_tf.inference.opened import OpenedModels
from wdsr_tf.inference.overlap import check_overlap, check_tile, is_deep, overlapping
from wdsr_tf.inference.picture import assemble, outline, picture_strips, resized_strips, upscale_picture, write_strips
from wdsr_tf.inference.progress import Progress
from wdsr_tf.inference.size import parse_size
from wdsr_tf.inference.strips import tiles
from wdsr_tf.inference.tiling import Plan, square_plan
from wdsr_tf.system.terminal import one_line

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

    from wdsr_tf import Image, Model

RECIPE = 1  # raise it when results change though models and options don't: they are then made again


class Upscaler:
    """Upscales images with the models that fit each; a model is opened when an image first needs it.

    Several threads can use it at once: while one waits for a model, or runs it, the others decode and encode.

    Args:
        model: a checkpoint, an ONNX file of ours, or any published weights file, which is converted once into the
            user's cache folder; its URL, from which it's downloaded once; a folder of checkpoints to choose from; or an
            `SRModel`. Default: the bundled models.
        scale: factor, such as 2 or 3.5. Default: the model's own.
        size: instead of a factor, the size in pixels: "4000x" (width), "x3000" (height) or "4000x3000".
        noise: level of noise to remove, 0 to 3: JPEG artifacts, and part of any grain. Default: JPEG artifacts are
            removed below quality 93 if there is a model for that.
        engine: "onnx", "openvino" or "keras". Default: OpenVINO for bfloat16, else ONNX Runtime if it can run the
            model, else Keras.
        precision: "float32", "float16" (keras), "bfloat16" or "int8" (openvino). Default: bfloat16 for images of 8 bits
            if the CPU multiplies it, OpenVINO is installed, and the network keeps its PSNR to 0.02 dB; else float32.
        device: "cpu", "gpu", or "gpu:1" and so on. Default: the CPU for ONNX Runtime and OpenVINO, what Keras's backend
            chooses for Keras.
        allow_loss: use int8 models that lose more than 0.10 dB.
        calibration: image, or folder of images, that int8 is calibrated on. Default: this project's demo images.
        memory: limit for tiles, such as "2GiB" or "50%" of the free memory. Default: half of it, up to 1 GiB.
        tile: side of a tile in LR pixels, instead of `memory`. Default: what `memory` allows.
        overlap: LR pixels that neighboring tiles share on each side. Default: the radius of the receptive field, which
            is exact, up to 96; beyond, what keeps a test image within half a level, measured once per model.
        self_ensemble: average the results for eight flips and rotations; slightly better, eight times as long.
        quality: of JPEG, AVIF and lossy WebP files, 1 to 100. Default: each format's.
        max_pixels: limit for an image, a frame or a page that is read from a file. All of a file together, and a
            result, may have 16 times as many.
        log: called with one line when a model is recognized, converted or opened. Default: silent.

    Raises:
        InputError: the model or an option can't be used.
    """

    def __init__(
        self,
        model: "Model | None" = None,
        *,
        scale: float | str | None = None,
        size: str | tuple | None = None,
        noise: int | None = None,
        engine: str = "auto",
        precision: str = "auto",
        device: str = "auto",
        allow_loss: bool = False,
        calibration: str | os.PathLike | None = None,
        memory: str | int | None = None,
        tile: int | None = None,
        overlap: int | None = None,
        self_ensemble: bool = False,
        quality: int | None = None,
        max_pixels: float = images.MAX_PIXELS,
        log: Callable[[str], None] | None = None,
    ):
        self.size = parse_size(scale, size)
        check_engine(engine, precision)
        if memory is not None:
            budget.parse(memory)
        check_overlap(overlap)
        check_tile(tile, overlap, memory)
        self.noise, self.quality, self.max_pixels = noise, quality, max_pixels
        self._strip_options = {"memory": memory, "self_ensemble": self_ensemble, "tile": tile}
        self._log, self._overlap = log or (lambda line: None), overlap
        self.models = routing.find_models(model)
        self._opened = OpenedModels(
            len(self.models) > 1,
            self._log,
            name=engine,
            precision=precision,
            device=parse_device(device),
            allow_loss=allow_loss,
            calibration=calibration,
        )
        self._check_route()

    def _check_route(self):
        """Raises now what every image would raise; converts the weights files that are sure to be needed."""
        largest = max(model.scale for model in self.models) if self.size.is_in_pixels else None
        for model in routing.passes(self.models, self.size.factor or largest, self.noise):
            if not self.size.is_in_pixels:
                self._opened.runnable(model)
                if self._opened.device.is_gpu:
                    self._opened.engine(model)
                if tile := self._strip_options["tile"]:
                    self._check_tile(self._opened.engine(model), tile)

    def _check_tile(self, engine, tile):
        if self._overlap is not None:
            engine = overlapping(engine, self._overlap)
        if not is_deep(engine.receptive_field):  # else the overlap may not be known yet
            square_plan((tile + 1, tile + 1), engine.receptive_field, tile)

    def passes(self, height: int, width: int, jpeg: bool = False) -> list[routing.Candidate]:
        """Returns the models that an image of that size runs through, in order; `jpeg`: it comes from a noisy JPEG."""
        wanted = self.size.of(height, width)
        factor = wanted and max(wanted[0] / height, wanted[1] / width)
        return routing.passes(self.models, factor, self.noise, jpeg)

    def result_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the (height, width) that an image of that size gets; raises InputError if that's too large."""
        result = self.size.of(height, width) or _after(self.passes(height, width), height, width)
        limits_of(self.max_pixels).check_result((width, height), (result[1], result[0]))
        return result

    def result_pixels(self, source: str | os.PathLike, target: str | os.PathLike) -> int:
        """Returns the pixels of all frames or pages of the result for an image file, from the file's headers.

        Raises:
            InputError: as `recipe`.
        """
        form = format_of(target)
        if form.name == "TIFF" and images.page_count(source) > 1:
            return sum(math.prod(self.result_size(*size)) for size in images.page_sizes(source, self.max_pixels))
        frames = images.frame_count(source) if form.animated else 1
        return frames * math.prod(self.result_size(*images.size(source, self.max_pixels)))

    def plans(self, source: str | os.PathLike) -> list[tuple[routing.Candidate, Engine, Plan]]:
        """Returns what an image file runs through: for each pass the model, its engine, and the tiles."""
        height, width = images.size(source, self.max_pixels)
        plans = []
        for model in self.passes(height, width, is_noisy_jpeg(source)):
            engine, options = self._opened.engine(model), self._options(model, None)
            del options["watch"], options["self_ensemble"]
            plans.append((model, engine, tiles(engine, (height, width), **options)))
            height, width = height * model.scale, width * model.scale
        return plans

    def recipe(self, source: str | os.PathLike) -> tuple[tuple[str, ...], dict]:
        """Returns what decides about the result for an image file, besides its content, and is kept with it.

        Returns:
            The checksums of the models that it runs through, in order; and the options. Two results with equal
            recipes of equal images are equal.

        Raises:
            InputError: the image can't be read, or can't get the size.
        """
        return self.recipe_of(*images.size(source, self.max_pixels), is_noisy_jpeg(source))

    def recipe_of(self, height: int, width: int, jpeg: bool = False) -> tuple[tuple[str, ...], dict]:
        """As `recipe`, for an image, or a frame, of that size; `jpeg`: it comes from a noisy JPEG."""
        described = [self._opened.description(model) for model in self.passes(height, width, jpeg)]
        options = {
            "version": RECIPE,
            "size": self.result_size(height, width),
            "engines": [engine for _, engine in described],
            "overlap": self._overlap,
            "self_ensemble": self._strip_options["self_ensemble"],
            "quality": self.quality,
        }
        if self._strip_options["tile"]:
            options["tile"] = self._strip_options["tile"]
        if any("int8" in engine for engine in options["engines"]):
            options["calibration"] = str(self._opened.calibration)
        return tuple(checksum for checksum, _ in described), options

    def upscale(
        self, image: "Image", progress: Callable[[float], None] | None = None, bits: int | None = None
    ) -> "np.ndarray | PIL.Image.Image":
        """Returns the upscaled image.

        Args:
            image: a file; a NumPy array H x W (gray), H x W x 1, H x W x 3 or H x W x 4 (with alpha), of type uint8,
                uint16, or float32 or float64 in 0..1 (0.001 beyond is clipped); or a PIL image.
            progress: called with the finished fraction of the work, up to 1.0.
            bits: what the values are precise to. Default: 8 for uint8, else more.

        Returns:
            An array of the same type and layout as an array; a PIL image for a PIL image, upright and with its color
            profile, EXIF and resolution; for a file, an array H x W, H x W x 3 or H x W x 4 with all its bits. Of an
            animation it's the first frame, of a TIFF the first page.

        Raises:
            InputError: the image can't be used, or memory is too small for a tile.
        """
        given = read_input(image, self.max_pixels)
        picture, dtype = given.picture, given.picture.rgb.dtype
        for note in picture.notes:
            self._log(f"{image}: {note}.")
        watch = Progress(progress, self._work(picture, given.jpeg))
        result = self._result(picture)
        strips = self._strips(picture, dtype, given.jpeg, watch.add, bits)
        large = assemble(outline(picture, result, dtype), result, strips)
        watch.finish()
        return given.restore(large)

    def upscale_file(
        self,
        source: str | os.PathLike,
        target: str | os.PathLike,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        """Upscales the image or animation in `source` and writes it to `target`, atomically.

        Args:
            source: a file that `images.read_picture` reads; all frames of an animation and all pages of a TIFF are
                upscaled if the format of `target` holds them, else the first.
            target: where to write; the suffix is the format.
            progress: called with the finished fraction of the work, up to 1.0.

        Raises:
            InputError: `source` can't be read, `target` can't hold the result, or memory is too small for a tile.
        """
        source, target = Path(source), Path(target)
        form = format_of(target)
        if form.animated and images.is_animated(source):
            self._upscale_animation(source, target, progress)
            return
        pages = images.page_count(source)
        if pages > 1 and form.name == "TIFF":
            self._upscale_pages(source, target, pages, progress)
            return
        picture = images.read_picture(source, self.max_pixels)
        if pages > 1:
            self._log(f"{one_line(source)}: only the first of its {pages} pages was kept; tif holds all.")
        elif images.is_animated(source):
            self._log(f"{one_line(source)}: only the first of its frames was kept; gif, webp and png hold all.")
        self._tell(source, picture, form)
        if not form.alpha:
            picture = images.without_opaque_alpha(picture)
        jpeg = is_noisy_jpeg(source)
        result, dtype = self._result(picture), images.fitting_depth(target, picture.rgb.dtype)
        for model in self.passes(*picture.rgb.shape[:2], jpeg):  # before the file is: not every error is the file's
            self._opened.engine(model, _is_deep(picture))
        watch = Progress(progress, self._work(picture, jpeg))
        strips = self._strips(picture, dtype, jpeg, watch.add)
        write_strips(target, outline(picture, result, dtype), result, strips, self.quality)
        watch.finish()

    def _upscale_pages(self, source, target, pages, progress):
        sizes = images.page_sizes(source, self.max_pixels)
        results = [self.result_size(*size) for size in sizes]
        watch = Progress(progress, sum(self._work_of(*size) for size in sizes))
        with images.open_pages(target, pages, sum(map(math.prod, results))) as open_page:
            for picture, result in zip(images.read_pages(source, self.max_pixels), results, strict=True):
                self._tell(source, picture, format_of(target))
                dtype = picture.rgb.dtype
                with open_page(*result, outline(picture, result, dtype)) as writer:
                    for colors, opacity in self._strips(picture, dtype, False, watch.add):
                        writer.append(colors, opacity)
        watch.finish()

    def _tell(self, source, picture, form):
        """Says what of an image isn't in its result."""
        notes = [*picture.notes, *self._advice(source, picture)]
        if str(picture.rgb.dtype) not in form.depths:
            notes.append(f"{form.name} files can't hold {picture.rgb.dtype} values; they become {form.depths[-1]}")
        lost = images.losses(picture.metadata, form, *picture.rgb.shape[:2])
        if lost:
            notes.append(f"{form.name} files can't hold its {', '.join(lost)}")
        for note in notes:
            self._log(f"{one_line(source)}: {note}.")

    def _advice(self, source, picture):
        """What would make the result better, as sentences."""
        models = self.passes(*picture.rgb.shape[:2], is_noisy_jpeg(source))
        if self.noise is not None or not models or models[0].jpeg:
            return
        level = routing.recommended_noise(self.models)
        if level is not None and (sigma := grain(picture)) >= GRAINY:
            yield f"looks grainy (sigma about {sigma:.0f}); --noise {level} reduces it"

    def _upscale_animation(self, source, target, progress):
        animation = images.open_animation(source, self.max_pixels)
        first = next(iter(animation))
        self._tell(source, first, format_of(target))
        result = self._result(first)
        images.check_fit(target, *result, "uint8", transparent=False)
        watch = Progress(progress, len(animation.times) * self._work(first))
        frames = (
            assemble(outline(picture, result, "uint8"), result, self._strips(picture, "uint8", False, watch.add))
            for picture in animation
        )
        images.write_frames(target, frames, animation.times, animation.loop, animation.transparent, self.quality)
        watch.finish()

    def _result(self, picture):
        return self.result_size(*picture.rgb.shape[:2])

    def _work(self, picture, jpeg=False):
        """The pixels that all passes read together, or that resizing reads if there is none."""
        return self._work_of(*picture.rgb.shape[:2], jpeg)

    def _work_of(self, height, width, jpeg=False):
        models = self.passes(height, width, jpeg)
        return sum(math.prod(_after(models[:done], height, width)) for done in range(len(models))) or height * width

    def _strips(self, picture, dtype, jpeg, watch, bits=None):
        """Strips of `picture` in its new size, as `picture_strips` yields them.

        Between passes an image that becomes uint8 is held as uint16: half of float32's memory, and each rounding is
        1/514 of a level at most.
        """
        models, result = self.passes(*picture.rgb.shape[:2], jpeg), self._result(picture)
        exact = bool(models) and _after(models, *picture.rgb.shape[:2]) == result
        between = "uint16" if dtype == "uint8" else "float32"
        engines = {model: self._opened.engine(model, _is_deep(picture, bits)) for model in models}
        for model in models[:-1] if exact else models:
            picture = upscale_picture(engines[model], picture, between, **self._options(model, watch))
        if not models and picture.alpha is not None:  # else downscaling mixes hidden colors into the edges
            picture = dataclasses.replace(picture, rgb=bleed(picture.rgb, picture.alpha))
        if exact:
            options = self._options(models[-1], watch)
            yield from picture_strips(engines[models[-1]], picture, dtype, **options)
        else:
            yield from resized_strips(picture, result, dtype)
        if not models:
            watch(math.prod(picture.rgb.shape[:2]))

    def _options(self, model, watch):
        overlap = functools.partial(self._opened.overlap, model) if self._overlap is None else self._overlap
        return {**self._strip_options, "watch": watch, "overlap": overlap}


def _is_deep(picture, bits=None):
    """Whether values are precise to more than 8 bits."""
    return picture.rgb.dtype != "uint8" if bits is None else bits > 8


def _after(models, height, width):
    scale = math.prod(model.scale for model in models)
    return height * scale, width * scale
