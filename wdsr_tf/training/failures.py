"""What ends a training from outside, said in a sentence: no memory left, or another of its processes gone."""

import contextlib

from wdsr_tf.errors import InputError
from wdsr_tf.inference.engines.keras import EXHAUSTED

LOST = ("Gloo", "NCCL", "heartbeat", "coordination", "Connection reset", "Connection closed", "UNAVAILABLE")
KEPT = "The checkpoints of the epochs before are kept, and --resume goes on behind the last of them"


@contextlib.contextmanager
def explained(batch_size, several_processes=False):
    """Turns such an end into an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # each backend has classes of its own
        if is_out_of_memory(error):
            raise InputError(
                f"a step of {batch_size} patches needs more memory than there is. {advice(batch_size)}. {KEPT}"
            ) from error
        if several_processes and _mentions(error, LOST):
            raise InputError(
                f"another process of this training is gone: see what it said. {KEPT}, in all processes"
            ) from error
        raise


def is_out_of_memory(error):
    """Whether `error`, or one that it came from, is a backend's word for it."""
    return _mentions(error, EXHAUSTED)


def advice(batch_size):
    """What may fit where `batch_size` does not."""
    if batch_size == 1:
        return "A smaller --lr-patch-size or --rematerialize takes less"
    return (
        f"--batch-size={batch_size // 2} takes half, and --rematerialize less, too; "
        "--find-batch, beside the same flags, measures the largest that fits"
    )


def _mentions(error, words):
    """Whether `error` has one of `words`, or an error that it came from."""
    seen = []
    while error is not None and error not in seen:
        if any(word in f"{type(error).__name__} {error}" for word in words):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False
