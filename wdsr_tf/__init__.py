"""Single-image super-resolution: train, rank and use the published networks in Keras 3.

`wdsr_tf.upscale(picture, checkpoint)` enlarges a picture; it is imported when it is first used.
"""

__version__ = "0.1.0"


def __getattr__(name):
    if name == "upscale":
        from wdsr_tf.inference.arrays import upscale

        return upscale
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
