import numpy as np
from PIL import Image

from wdsr_tf.training import samples


class Counting:
    """Batches of two patches whose pixels are their numbers."""

    def batch(self, k):
        numbers = np.array([2 * k, 2 * k + 1], "uint8").reshape(2, 1, 1, 1)
        return numbers + np.zeros((2, 4, 4, 3), "uint8"), 100 + numbers + np.zeros((2, 8, 8, 3), "uint8")


def test_samples_are_the_first_patches_of_the_training(tmp_path):
    samples.write(tmp_path / "samples", Counting(), 3)
    files = sorted((tmp_path / "samples").iterdir())
    assert [path.name for path in files] == ["001.png", "002.png", "003.png"]
    for number, path in enumerate(files):
        pixels = np.asarray(Image.open(path))
        assert pixels.shape == (8, 20, 3)
        assert (pixels[:, :8] == number).all() and (pixels[:, 12:] == 100 + number).all()
        assert (pixels[:, 8:12] == 255).all()


def test_lr_pixels_are_enlarged_and_not_interpolated():
    lr = np.random.default_rng(0).integers(0, 256, (3, 4, 3), "uint8")
    assert np.array_equal(samples.beside(lr, np.zeros((9, 12, 3), "uint8"))[1::3, 1:12:3], lr)
