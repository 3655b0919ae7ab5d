"""Single-image super-resolution: train, rank and use the published networks in Keras 3.

`wdsr_tf.upscale(image)` upscales an image; it is imported when it is first used.
"""

__version__ = "0.1.0"


def __getattr__(name):
    if name == "upscale":
        from wdsr_tf.inference.upscale import upscale

        return upscale
    if name == "Upscaler":
        from wdsr_tf.inference.upscaler import Upscaler

        return Upscaler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
