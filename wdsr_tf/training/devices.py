"""The devices that share a training's batches: several of one machine, or of several processes on several machines.

Each device has a copy of the network and an equal part of every batch; gradients are summed over all of them, so that
an update is the one that a single device would have made, but for the order in which numbers are added. The engines
are `keras.distribution` on JAX and `tf.distribute.MirroredStrategy` on TensorFlow.
"""

import contextlib

import keras

from wdsr_tf.errors import InputError

START, BEAT, STOP = 120, 60, 10  # seconds that processes wait for each other: at the start, in between, at the end


class Devices:
    """Those that share a training.

    Attributes:
        count: how many, on all machines.
        several_processes: whether they belong to more than one process.
        writes: whether this process is the one that writes and prints.
    """

    def __init__(self, count, scope=contextlib.nullcontext, process=0, num_processes=1):
        self.count, self.scope = count, scope
        self.several_processes, self.writes = num_processes > 1, process == 0


ONE = Devices(1)


def choose(wanted=None, coordinator=None, num_processes=1, process=0):
    """The `Devices` for `wanted`, a number or "all"; None is one, or all where processes are several.

    Several processes find each other at `coordinator`, HOST:PORT of process 0. In `devices.scope()` networks are
    built, compiled and trained.
    """
    if not (wanted in (None, "all") or wanted.isdecimal()):
        raise InputError(f"--devices={wanted}: takes a number, or all")
    on_jax = keras.backend.backend() == "jax"
    if num_processes > 1:
        _join(coordinator, num_processes, process, on_jax)
        wanted = wanted or "all"
        if wanted != "all":
            raise InputError(f"--devices={wanted}: several processes use all their devices; leave it out")
    names = keras.distribution.list_devices()
    count = len(names) if wanted == "all" else int(wanted or 1)
    if not 1 <= count <= len(names):
        here = ", ".join(names)
        raise InputError(f"--devices={wanted}: takes all, or a number from 1 to that of the devices here ({here})")
    if wanted is None or (count == 1 and num_processes == 1):
        return ONE
    return Devices(count, _on_jax(names[:count]) if on_jax else _on_tensorflow(names[:count]), process, num_processes)


def check(batch_size, count):
    """Raises InputError where a batch cannot be shared evenly."""
    if batch_size % count:
        near = [n for n in (batch_size // count * count, -(-batch_size // count) * count) if n]
        raise InputError(
            f"--batch-size={batch_size} cannot be shared evenly by {count} devices; {' or '.join(map(str, near))} can"
        )


def count():
    """How many devices share what is trained in this scope."""
    if keras.backend.backend() == "jax":
        distribution = keras.distribution.distribution()
        return distribution.device_mesh.devices.size if distribution else 1
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.get_strategy().num_replicas_in_sync
    return 1


@contextlib.contextmanager
def alone():
    """For what one process does by itself: on JAX all would have to make a new variable together, even Keras' own."""
    shared = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(shared)


def local_count():
    """How many of them belong to this process, which feeds them."""
    if keras.backend.backend() == "jax":
        import jax

        return count() // jax.process_count()
    return count()


def share_gradients(optimizer):
    """Lets `optimizer` clip and apply the gradients of the whole batch on TensorFlow, too.

    Keras would have each device clip its own there and sum behind that; JAX knows of one batch only.
    """
    if keras.backend.backend() != "tensorflow" or count() == 1:
        return
    import tensorflow as tf

    own_apply = optimizer.apply

    def apply(grads, trainable_variables=None):
        grads = tf.distribute.get_replica_context().all_reduce("SUM", list(grads))
        return own_apply(grads, trainable_variables)

    optimizer.apply = apply
    getattr(optimizer, "inner_optimizer", optimizer)._all_reduce_sum_gradients = list  # they are summed


def _join(coordinator, num_processes, process, on_jax):
    """Waits until all processes are there."""
    if not on_jax:
        raise InputError("several processes train with KERAS_BACKEND=jax alone")
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
        raise InputError(f"the {num_processes} processes did not find each other at {coordinator}: {error}") from error


def _on_jax(names):
    # Each process makes its own part of a batch.
    return keras.distribution.DataParallel(devices=names, auto_shard_dataset=False).scope


def _on_tensorflow(names):
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(names)
    return strategy.scope
