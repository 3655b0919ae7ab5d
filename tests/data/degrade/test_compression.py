import numpy as np

from wdsr_tf.data.degrade import compression


def test_diffjpeg_equals_the_reference(golden):
    arrays, _ = golden("gan/diffjpeg")
    for original, quality, expected in zip(arrays["input"], arrays["quality"], arrays["output"], strict=True):
        difference = np.abs(compression.diff_jpeg(original, float(quality)) - expected)
        # A coefficient at .5 may be rounded the other way, which changes one block by at most a quantum at quality 95.
        assert difference.max() < 1e-3 and np.mean(difference > 1e-4) < 0.05


def test_pillow_is_nearer_to_the_original_at_a_higher_quality():
    rng = np.random.default_rng(0)
    smooth = rng.integers(0, 256, (8, 8, 3)).repeat(4, 0).repeat(4, 1).astype("uint8")
    losses = [np.abs(compression.jpeg(smooth, quality).astype(int) - smooth).mean() for quality in (30, 60, 95)]
    assert losses == sorted(losses, reverse=True) and losses[0] > losses[2]
