"""The quality at which a JPEG image was compressed."""

import os

STANDARD_TABLE = 3685  # the sum of the luma table in the JPEG standard, which libjpeg calls quality 50
CLEAN_QUALITY = 93  # from about here on, a model for JPEG costs more detail than it removes noise: docs/benchmarks.md


def is_noisy_jpeg(image: "str | os.PathLike | object") -> bool:
    """Whether the image is a JPEG whose noise is worth removing. Takes what `jpeg_quality` takes."""
    quality = jpeg_quality(image)
    return quality is not None and quality < CLEAN_QUALITY


def jpeg_quality(image: "str | os.PathLike | object") -> float | None:
    """Returns the quality, 1 to 100, at which libjpeg would quantize luma as finely on average.

    Args:
        image: a file, whatever its name, or a PIL image, which knows its quantization tables until it's changed.

    Returns:
        None if the image isn't a JPEG, or doesn't know that it was one.
    """
    from wdsr_tf.images.limits import pillow_open

    try:
        if not isinstance(image, str | os.PathLike):
            return _quality(image.quantization)
        with pillow_open(image, ["JPEG"]) as opened:
            return _quality(opened.quantization)
    except Exception:  # no JPEG, or a broken one, which is reported when it's read
        return None


def _quality(tables):
    mean = sum(tables[0]) / STANDARD_TABLE
    return 100 - 50 * mean if mean <= 1 else 50 / mean
