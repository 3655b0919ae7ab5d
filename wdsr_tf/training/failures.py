"""Clear errors when a training runs out of memory or disk space, or loses one of its processes."""

import contextlib

from wdsr_tf.errors import InputError, sentence
from wdsr_tf.files import is_disk_full
from wdsr_tf.inference.engines.keras import EXHAUSTED

LOST = ("Gloo", "NCCL", "heartbeat", "coordination", "Connection reset", "Connection closed", "UNAVAILABLE")
FULL = ("No space left on device", "Disk quota exceeded")
KEPT = "The checkpoints of finished epochs are kept, and the run can be resumed after the last of them."


@contextlib.contextmanager
def explained(batch_size, several_processes=False):
    """Turns such failures into an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # each backend has classes of its own
        if is_disk_full(error) or _mentions(error, FULL):  # TensorFlow calls it RESOURCE_EXHAUSTED, too
            raise InputError(f"{sentence(error)}. {KEPT}") from error
        if is_out_of_memory(error):
            raise InputError(
                f"A training step with {batch_size} patches ran out of memory. {advice(batch_size)} {KEPT}"
            ) from error
        if several_processes and _mentions(error, LOST):
            raise InputError(
                f"Another process of this training has ended; see its output. {KEPT} Resume it in all processes."
            ) from error
        raise


def is_out_of_memory(error):
    """Returns whether `error`, or one that caused it, says that memory ran out."""
    return _mentions(error, EXHAUSTED)


def advice(batch_size):
    """Returns what to try if `batch_size` doesn't fit."""
    if batch_size == 1:
        return "A smaller lr_patch_size takes less, and so does rematerialize."
    return (
        f"batch_size={batch_size // 2} takes half as much, and rematerialize takes less too; find_batch measures "
        "the largest batch that fits."
    )


def _mentions(error, words):
    seen = []
    while error is not None and error not in seen:
        if any(word in f"{type(error).__name__} {error}" for word in words):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False
