"""`wdsr_tf.upscale`: one call from an image to a larger one."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from wdsr_tf.inference.upscaler import Upscaler

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

    from wdsr_tf import Image, Model

KEPT = 8  # opened Upscalers


def upscale(
    image: "Image", model: "Model | None" = None, *, progress: Callable[[float], None] | None = None, **options
) -> "np.ndarray | PIL.Image.Image":
    """Upscales one image with an `Upscaler`, which is kept for the next call with the same options.

    Args:
        image: as `Upscaler.upscale` takes it, and `progress` too.
        model: as `Upscaler` takes it. It's opened again if its file, or a checkpoint in its folder, has changed.
        options: those of `Upscaler`.
    """
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
