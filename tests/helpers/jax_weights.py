"""First weights on JAX, drawn by NumPy: XLA compiles a generator for every shape, which takes half a second each."""

import contextlib

import numpy as np
import pytest

by_numpy = True


def _normal(random, shape, mean=0.0, stddev=1.0):
    return random.standard_normal(shape) * stddev + mean


def _uniform(random, shape, minval=0.0, maxval=1.0):
    return random.uniform(minval, maxval, shape)


def _truncated_normal(random, shape, mean=0.0, stddev=1.0):
    values = random.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = random.standard_normal(np.count_nonzero(outside))
    return values * stddev + mean


@contextlib.contextmanager
def drawn():
    """Keras's random numbers come from NumPy, with Keras's seeds, where `by_numpy` is true and nothing is compiled."""
    import jax
    from keras.src import backend

    def replacement(own, draw):
        def values(shape, *limits, dtype=None, seed=None, **named_limits):
            seed = backend.random.jax_draw_seed(seed)
            if not by_numpy or isinstance(seed, jax.core.Tracer):
                return own(shape, *limits, dtype=dtype, seed=seed, **named_limits)
            array = draw(np.random.default_rng(np.asarray(seed)), shape, *limits, **named_limits)
            return jax.numpy.asarray(array, dtype or backend.floatx())

        return values

    with pytest.MonkeyPatch.context() as patch:
        for name, draw in (("normal", _normal), ("uniform", _uniform), ("truncated_normal", _truncated_normal)):
            patch.setattr(backend.random, name, replacement(getattr(backend.random, name), draw))
        yield
