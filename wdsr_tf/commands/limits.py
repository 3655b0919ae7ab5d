"""--max-pixels, the flag of every command that reads image files."""

import contextlib


def define(flags):
    """Defines --max-pixels; `Command` applies it."""
    flags.number(
        "max_pixels",
        250,
        "Refuse larger images, in megapixels; all frames or pages of a file together may have 16 times as many.",
        minimum=0,
    )


def applied(flags):
    """Returns a context manager in which images are read within the limits that the parsed `flags` set."""
    if "max_pixels" not in flags:
        return contextlib.nullcontext()
    from wdsr_tf.images.limits import Limits, using

    return using(Limits(round(flags.max_pixels * 1e6)))
