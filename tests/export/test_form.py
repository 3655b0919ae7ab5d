import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.export.form import Form, tile_of
from wdsr_tf.export.int8 import fitted


@pytest.mark.parametrize("given", [(96, 128), [96, 128], "96x128"])
def test_a_tile_is_height_and_width(given):
    assert tile_of(given) == (96, 128)


def test_one_number_is_a_square_tile():
    assert tile_of(64) == tile_of("64") == (64, 64)
    assert tile_of(None) is None


@pytest.mark.parametrize("given", ["", "64x", "x64", "64 x 64", "0x64", (1, 2, 3), -1])
def test_what_is_no_tile_is_refused(given):
    with pytest.raises(InputError, match=r"isn't a size\. Give LR pixels as HEIGHTxWIDTH"):
        tile_of(given)


@pytest.mark.parametrize("form", [Form(), Form(layout="nchw"), Form(value_range="0..1"), Form(image=True)])
def test_what_a_model_is_fed_and_what_it_returns_are_inverse(form):
    lr = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3)).astype("float32")
    fed = form.fed(lr)
    assert fed.shape == form.shape(2, 3, 4) and fed.dtype == form.dtype and fed.max() <= form.white
    np.testing.assert_allclose(form.returned(fed), lr, rtol=1e-6)


def test_bytes_in_0_to_1_are_refused():
    with pytest.raises(InputError, match=r"uint8 images are in 0\.\.255"):
        Form(image=True, value_range="0..1")


def test_images_are_cut_or_mirrored_to_the_tile():
    image = np.arange(12.0).reshape(1, 2, 6, 1)
    assert fitted(image, (4, 3))[0, :, :, 0].tolist() == [[0, 1, 2], [6, 7, 8], [6, 7, 8], [0, 1, 2]]
