"""The dtype policy that trains fastest on this machine."""

import keras

from wdsr_tf.system import cpu


def fastest() -> tuple[str, str]:
    """Returns the name of the dtype policy for the first device, and the reason for it."""
    kind = keras.distribution.list_devices()[0].partition(":")[0].lower()
    if kind == "cpu":
        if cpu.multiplies_bfloat16():
            return "mixed_bfloat16", "this CPU multiplies bfloat16 fast"
        return "float32", "this CPU has neither AMX_BF16 nor AVX512_BF16"
    if kind == "tpu":
        return "mixed_bfloat16", "TPUs multiply bfloat16 fast"
    capability = _compute_capability()
    if capability is None:
        return "mixed_float16", "the GPU doesn't tell whether it multiplies bfloat16 fast"
    if capability >= 8:
        return "mixed_bfloat16", f"a GPU of compute capability {capability:g} multiplies bfloat16 fast"
    return "mixed_float16", f"a GPU of compute capability {capability:g} doesn't multiply bfloat16 fast"


def _compute_capability():
    """NVIDIA's compute capability of the first GPU, such as 8.6; None if the backend doesn't tell."""
    if keras.backend.backend() == "jax":
        import jax

        text = str(getattr(jax.local_devices()[0], "compute_capability", ""))
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
        text = ".".join(map(str, details.get("compute_capability", ())))
    else:
        text = ""
    try:
        return float(text)
    except ValueError:  # AMD's are names such as gfx90a
        return None
