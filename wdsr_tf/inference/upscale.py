"""`wdsr_tf.upscale`: one call from an image to a larger one."""

import functools
import os
from collections.abc import Callable
from pathlib import Path

from wdsr_tf import images
from wdsr_tf.inference.upscaler import Upscaler

KEPT = 8  # opened Upscalers


def upscale(
    image,
    model=None,
    *,
    scale: float | str | None = None,
    size: str | tuple | None = None,
    noise: int | None = None,
    engine: str = "auto",
    precision: str = "auto",
    memory: str | int | None = None,
    self_ensemble: bool = False,
    max_pixels: float = images.MAX_PIXELS,
    progress: Callable[[float], None] | None = None,
):
    """Upscales one image. Opened models are kept, so the next call with the same options starts at once.

    Args:
        image: a file; a NumPy array H x W (gray), H x W x 1, H x W x 3 or H x W x 4 (with alpha), of type uint8,
            uint16, or float32 or float64 in 0..1; or a PIL image.
        model: a checkpoint, an ONNX file of ours, or any published weights file; a folder of checkpoints to choose
            from; or an `SRModel`. Default: the bundled models.
        scale: factor, such as 2 or 3.5. Default: the model's own.
        size: instead of a factor, the size in pixels: "4000x" (width), "x3000" (height) or "4000x3000".
        noise: level of JPEG noise to remove, 0 to 3. Default: noise of a JPEG file, or of a PIL image that was opened
            from one, is removed below quality 93 if there is a model for that.
        engine: "onnx", "openvino" or "keras". Default: ONNX Runtime if it can run the model, else Keras.
        precision: "float32", "float16" or "int8", which not every engine has. Default: float32.
        memory: limit for tiles, such as "2GiB" or "50%" of the free memory. Default: half of it, up to 1 GiB.
        self_ensemble: average the results for eight flips and rotations; slightly better, eight times as long.
        max_pixels: limit for images read from files.
        progress: called with the finished fraction of the work, up to 1.0.

    Returns:
        An array of the same type and layout as an array; a PIL image for a PIL image; for a file, an array H x W,
        H x W x 3 or H x W x 4 with all its bits.

    Raises:
        InputError: the image, the model or an option can't be used, or memory is too small for a tile.
    """
    options = {
        "scale": scale,
        "size": size,
        "noise": noise,
        "engine": engine,
        "precision": precision,
        "memory": memory,
        "self_ensemble": self_ensemble,
        "max_pixels": max_pixels,
    }
    if model is None or isinstance(model, str | os.PathLike):
        upscaler = _opened(model if model is None else str(model), _stamp(model), **options)
    else:
        upscaler = Upscaler(model, **options)
    return upscaler.upscale(image, progress)


@functools.lru_cache(KEPT)
def _opened(model, stamp, **options):
    return Upscaler(model, **options)


def _stamp(model):
    """Changes when the file does, or a checkpoint in the folder."""
    if model is None:
        return None
    path = Path(model)
    files = sorted(path.rglob("*.keras")) if path.is_dir() else [path]
    return tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.exists())
