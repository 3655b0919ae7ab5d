"""A step of multi-scale training equals the step of a network of that scale."""

import keras
import numpy as np
import pytest

from tests.helpers.pictures import write_pairs
from wdsr_tf.data import feed
from wdsr_tf.data.sampler import MixedSampler, Sampler
from wdsr_tf.data.sources import Pairs
from wdsr_tf.errors import InputError
from wdsr_tf.models import create_model
from wdsr_tf.training import trainer
from wdsr_tf.training.multi_scale import train_at

CARN = ("carn", {"num_filters": 4, "multi_scale": True})
DRRN = ("drrn", {"num_filters": 4, "num_units": 1, "batch_norm": True})


def compiled(name, scale, hyperparameters):
    model = create_model(name, scale, **hyperparameters)
    trainer.compile_model(model, keras.optimizers.SGD(1e-4), "mae")
    return model


@pytest.mark.parametrize(
    "name, hyperparameters", [pytest.param(*CARN, id="carn", marks=pytest.mark.slow), pytest.param(*DRRN, id="drrn")]
)
def test_each_step_is_that_of_a_network_of_the_scale_of_its_batch(name, hyperparameters, tmp_path):
    scales = (2, 3)
    samplers = [Sampler(Pairs(write_pairs(tmp_path, 4, scale), scale, 8), 2) for scale in scales]
    mixed = MixedSampler(samplers)
    several = compiled(name, 3, hyperparameters)  # the first batch that is smaller than its output is of x2
    train_at(several, scales)
    drawn = [mixed.batch(k)[1].shape[1] // 8 for k in range(20)]
    for scale in scales:
        k = drawn.index(scale)
        before = several.get_weights()
        several.fit(feed.endless(mixed, k), steps_per_epoch=1, shuffle=False, verbose=0)
        single = compiled(name, scale, hyperparameters)
        single.set_weights(before)
        single.train_on_batch(*mixed.batch(k))
        assert any((a != b).any() for a, b in zip(before, single.get_weights(), strict=True))
        for ours, theirs in zip(several.get_weights(), single.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)  # sums in another order; a step moves weights by 1e-3
        assert several(np.zeros((1, 5, 6, 3))).shape == (1, 15, 18, 3)


@pytest.mark.parametrize("name", ["wdsr-a", "carn", "dcscn"])
def test_a_network_whose_weights_depend_on_the_scale_is_refused(name):
    model = compiled(name, 2, {})
    with pytest.raises(InputError, match=f"{name} has other weights at x3 than at x2"):
        train_at(model, [2, 3])
