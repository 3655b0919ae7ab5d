"""Equal trainings give equal bits, also of networks so large that TensorFlow saves memory in sums of gradients."""

import keras
import numpy as np
import pytest

from tests.helpers.pictures import write_pairs
from wdsr_tf.data import feed
from wdsr_tf.data.sampler import MixedSampler, Sampler
from wdsr_tf.data.sources import Pairs
from wdsr_tf.models import create_model
from wdsr_tf.training import trainer
from wdsr_tf.training.multi_scale import train_at

pytestmark = pytest.mark.slow

RDN = {"num_res_blocks": 3}  # each layer's output is used by all later ones
DRRN_B1U25 = {"num_filters": 128, "num_res_blocks": 1, "num_units": 25, "batch_norm": True}  # 25 units share weights


@pytest.mark.parametrize(
    "name, hyperparameters, scales, side, count",
    [pytest.param("rdn", RDN, (2,), 32, 8, id="rdn"), pytest.param("drrn", DRRN_B1U25, (2, 3, 4), 16, 4, id="drrn")],
)
def test_weights_after_two_steps(name, hyperparameters, scales, side, count, tmp_path):
    pairs = {scale: write_pairs(tmp_path, count, scale, side + 2, side + 2) for scale in scales}
    samplers = [Sampler(Pairs(pairs[scale], scale, side), count) for scale in scales]
    sampler = MixedSampler(samplers) if len(scales) > 1 else samplers[0]

    def trained():
        keras.utils.set_random_seed(0)
        model = create_model(name, scales[0], **hyperparameters)
        trainer.compile_model(model, keras.optimizers.SGD(1e-6), "mse")
        if len(scales) > 1:
            train_at(model, scales)
        before = model.get_weights()
        model.fit(feed.endless(sampler), steps_per_epoch=2, shuffle=False, verbose=0)
        after = model.get_weights()
        assert any((a != b).any() for a, b in zip(before, after, strict=True))
        return after

    first = trained()
    for _ in range(2):  # without the care that data/pipeline.py takes, about every second run differs
        for one, other in zip(first, trained(), strict=True):
            np.testing.assert_array_equal(one, other)
