"""The devices that share the batches of a training, in one process or in several, on one machine or on several.

Each device has a copy of the network and an equal part of every batch. Gradients are summed over all devices, so an
update equals that of a single device, except for the order of additions. Uses `keras.distribution` on JAX and
`tf.distribute.MirroredStrategy` on TensorFlow.
"""

import contextlib

import keras

from wdsr_tf.errors import InputError

START, BEAT, STOP = 120, 60, 10  # seconds that processes wait for each other: at the start, in between, at the end


class Devices:
    """The devices that share a training.

    Attributes:
        count: Their number, on all machines.
        several_processes: Whether they belong to more than one process.
        writes: Whether this process is the one that writes and prints.
        scope: Returns the context in which models are built, compiled and trained.
    """

    def __init__(self, count, scope=contextlib.nullcontext, process=0, num_processes=1):
        self.count, self.scope = count, scope
        self.several_processes, self.writes = num_processes > 1, process == 0


ONE = Devices(1)


def choose(wanted=None, coordinator=None, num_processes=1, process=0):
    """Returns the `Devices` to train on.

    Args:
        wanted: A number in digits, or "all". None is one device, or all devices of several processes.
        coordinator: HOST:PORT of process 0, where several processes find each other.
        num_processes: Number of processes.
        process: Number of this process, from 0.

    Raises:
        InputError: If there are fewer devices, or the processes don't find each other.
    """
    if not (wanted in (None, "all") or wanted.isdecimal()):
        raise InputError(f"devices must be a number or all, not {wanted!r}.")
    on_jax = keras.backend.backend() == "jax"
    if num_processes > 1:
        _join(coordinator, num_processes, process, on_jax)
        wanted = wanted or "all"
        if wanted != "all":
            raise InputError(f"Several processes use all their devices: leave out devices={wanted}.")
    names = keras.distribution.list_devices()
    count = len(names) if wanted == "all" else int(wanted or 1)
    if not 1 <= count <= len(names):
        here = ", ".join(names)
        raise InputError(f"devices={wanted} must be all, or from 1 to {len(names)}: the devices here are {here}.")
    if wanted is None or (count == 1 and num_processes == 1):
        return ONE
    return Devices(count, _on_jax(names[:count]) if on_jax else _on_tensorflow(names[:count]), process, num_processes)


def check(batch_size, count):
    """Raises InputError if `count` devices can't share a batch evenly."""
    if batch_size % count:
        near = [n for n in (batch_size // count * count, -(-batch_size // count) * count) if n]
        raise InputError(
            f"{count} devices can't share batch_size={batch_size} evenly. Use {' or '.join(map(str, near))}."
        )


def count():
    """Returns how many devices share what is trained in this scope."""
    if keras.backend.backend() == "jax":
        distribution = keras.distribution.distribution()
        return distribution.device_mesh.devices.size if distribution else 1
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.get_strategy().num_replicas_in_sync
    return 1


@contextlib.contextmanager
def alone():
    """A context for what one process does alone: on JAX, all processes would have to create a variable together."""
    shared = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(shared)


def local_count():
    """Returns how many of them belong to this process, which feeds them."""
    if keras.backend.backend() == "jax":
        import jax

        return count() // jax.process_count()
    return count()


def shares():
    """Returns by what each device must divide its loss, so that the sum of all gradients is that of the whole batch.

    On JAX there is only one batch.
    """
    return count() if keras.backend.backend() == "tensorflow" else 1


def total(values):
    """Returns the sum of a list of tensors over all devices that train in this scope, on each of them."""
    if shares() == 1:
        return values
    import tensorflow as tf

    return tf.distribute.get_replica_context().all_reduce("SUM", list(values))


def share_gradients(optimizer):
    """Makes `optimizer` clip and apply the gradients of the whole batch on TensorFlow too.

    Keras would clip on each device and sum afterwards. On JAX there is only one batch.
    """
    if shares() == 1:
        return
    own_apply = optimizer.apply

    def apply(grads, trainable_variables=None):
        return own_apply(total(grads), trainable_variables)

    optimizer.apply = apply
    getattr(optimizer, "inner_optimizer", optimizer)._all_reduce_sum_gradients = list  # they are summed already


def _join(coordinator, num_processes, process, on_jax):
    """Waits until all processes have started."""
    if not on_jax:
        raise InputError("Training in several processes needs JAX: set KERAS_BACKEND=jax.")
    import jax

    try:
        jax.distributed.initialize(
            coordinator,
            num_processes,
            process,
            initialization_timeout=START,
            heartbeat_timeout_seconds=BEAT,
            shutdown_timeout_seconds=STOP,
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(f"The {num_processes} processes didn't find each other at {coordinator}: {error}") from error


def _on_jax(names):
    # Each process prepares its own part of a batch.
    return keras.distribution.DataParallel(devices=names, auto_shard_dataset=False).scope


def _on_tensorflow(names):
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(names)
    return strategy.scope
