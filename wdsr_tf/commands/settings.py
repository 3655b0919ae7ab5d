"""The flags that are arguments of `Upscaler`."""

import inspect

from wdsr_tf.commands import downloads


def of_upscaler(flags):
    """Returns the arguments of `Upscaler`, without `log`: the flags of the same names."""
    from wdsr_tf.inference.upscaler import Upscaler

    values = {name: flags[name].value for name in inspect.signature(Upscaler).parameters if name in flags}
    model = downloads.fetched(flags.model, flags, flags.sha256)
    return values | {"model": model, "max_pixels": round(flags.max_pixels * 1e6)}
