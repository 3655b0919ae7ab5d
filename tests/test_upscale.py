import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.images import Picture
from wdsr_tf.inference.upscale import upscale, upscale_picture
from wdsr_tf.models import create_model
from wdsr_tf.resize import imresize

RGB = np.random.default_rng(0).integers(0, 256, (11, 14, 3), dtype="uint8")


@pytest.fixture(scope="module")
def model():
    return create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)


def test_it_is_the_network_alone(model):
    sr = upscale(model, RGB)
    assert sr.dtype == "float32" and sr.shape == (22, 28, 3)
    # Compiled and eager runs may sum in another order: float32 on 0..255.
    np.testing.assert_allclose(sr, np.asarray(model(RGB[None]))[0], atol=1e-3)


def test_uint8_and_float_pictures_give_the_same(model):
    np.testing.assert_array_equal(upscale(model, RGB), upscale(model, RGB.astype("float32")))


def test_any_size_runs_through_one_compiled_function():
    import keras

    if keras.config.backend() != "tensorflow":
        pytest.skip("other backends compile for each size")
    model = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    for height, width in ((9, 8), (5, 17), (1, 1), (20, 3), (12, 12)):
        assert upscale(model, RGB[:1, :1].repeat(height, 0).repeat(width, 1)).shape == (2 * height, 2 * width, 3)
    assert model.predict_function.experimental_get_tracing_count() <= 2  # the first size, then every other


def test_a_compiled_model_still_trains_as_it_was_compiled(model):
    trained = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    trained.compile("sgd", "mae", jit_compile=True)
    upscale(trained, RGB)
    assert trained.jit_compile


def test_grey_stays_grey_and_metadata_stays(model):
    picture = Picture(RGB[..., :1].repeat(3, axis=2), grey=True, metadata={"dpi": (72.0, 72.0)})
    large = upscale_picture(model, picture)
    assert large.grey and large.metadata == picture.metadata and large.rgb.dtype == "uint8"
    assert (large.rgb == large.rgb[..., :1]).all()


def test_transparency_is_enlarged_with_the_picture(model):
    large = upscale_picture(model, Picture(RGB, alpha=RGB[..., 1]))
    np.testing.assert_array_equal(large.alpha, imresize(RGB[..., 1], 2))
    assert large.alpha.shape == large.rgb.shape[:2]


def test_values_that_are_not_finite_are_refused():
    broken = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    broken.get_layer("tail_x2").bias.assign(np.full(12, np.nan))
    with pytest.raises(InputError, match="not finite"):
        upscale(broken, RGB)


def test_a_result_of_the_wrong_size_is_refused(model):
    wrong = create_model("wdsr-a", 3, num_filters=4, num_res_blocks=1)
    wrong.scale = 2
    with pytest.raises(InputError, match="33, 42, 3"):
        upscale(wrong, RGB)
