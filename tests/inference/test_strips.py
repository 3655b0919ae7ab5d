import dataclasses
import math

import keras
import numpy as np
import pytest

from tests.helpers.engines import Fake, repeated
from tests.models.test_models import ONCE, small
from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats
from wdsr_tf.importers.import_weights import import_weights
from wdsr_tf.importers.recognize import choose, recognize
from wdsr_tf.inference.engines.keras import of_model
from wdsr_tf.inference.strips import strips, upscale
from wdsr_tf.models import create_model, get_architecture
from wdsr_tf.receptive_field import ReceptiveField

RGB = np.random.default_rng(0).integers(0, 256, (11, 14, 3), dtype="uint8")
LARGE = np.random.default_rng(1).integers(0, 256, (110, 100, 3), dtype="uint8")
LOCAL = [each for each in ONCE if not get_architecture(each.values[0]).global_mean]
SMALL_TILES = str(10_000 * 400)  # bytes: 400 pixels of `Fake`


@pytest.fixture(scope="module")
def model():
    return create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)


def test_the_output_is_that_of_the_model_alone(model):
    sr = upscale(model, RGB)
    assert sr.dtype == "float32" and sr.shape == (22, 28, 3)
    # Compiled and eager runs may sum in another order: float32 on 0..255.
    np.testing.assert_allclose(sr, keras.ops.convert_to_numpy(model(RGB[None]))[0], atol=1e-3)


def test_uint8_and_float_images_give_the_same(model):
    np.testing.assert_array_equal(upscale(model, RGB), upscale(model, RGB.astype("float32")))


def test_a_model_runs_with_the_weights_that_it_has_now():
    model = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    before = upscale(model, RGB)
    model.get_layer("tail_x2").bias.assign(np.ones(12))
    np.testing.assert_allclose(upscale(model, RGB), before + 127.5, atol=1e-3)  # the range of the network's outputs


def test_a_compiled_model_still_trains_as_it_was_compiled():
    trained = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    trained.compile("sgd", "mae", jit_compile=True)
    upscale(trained, RGB)
    assert trained.jit_compile


@pytest.mark.parametrize("name, scale", LOCAL)
def test_tiled_output_equals_untiled_output(name, scale):
    keras.utils.set_random_seed(0)
    engine = of_model(create_model(name, scale, **small(name)))
    radius = engine.receptive_field.radius
    rgb = np.tile(LARGE, (3, 3, 1))[: max(40, 5 * radius), : max(36, 4 * radius + 8)]
    whole = upscale(engine, rgb)
    tiled, count = in_tiles(engine, rgb, (3 * radius + 6) ** 2)
    assert count >= 4

    # float32 rounds sums of another shape otherwise; fresh weights may give values of thousands.
    assert np.abs(tiled - whole).max() <= 1e-3 * max(1, np.abs(whole).max() / 255)
    # A value is rounded the other way if a half lies between the two, for which the chance is their difference.
    expected = np.abs(tiled - whole).sum()
    tiled, whole = (np.clip(np.round(sr), 0, 255) for sr in (tiled, whole))
    assert np.abs(tiled - whole).max() <= 1
    assert (tiled != whole).sum() <= expected + 4 * np.sqrt(expected) + 1  # four standard deviations


def in_tiles(engine, rgb, area, **how):
    """The image upscaled in tiles of at most `area` LR pixels, and how many there were."""
    tiles = []
    counted = dataclasses.replace(engine, run=lambda lr: tiles.append(lr) or engine.run(lr))
    return upscale(counted, rgb, memory=str(engine.receptive_field.bytes_per_pixel * area), **how), len(tiles)


def test_an_overlap_that_is_too_small_shows():
    engine = of_model(create_model("wdsr-a", 2, num_filters=4, num_res_blocks=4))
    near = dataclasses.replace(engine, receptive_field=dataclasses.replace(engine.receptive_field, radius=2))
    tiled, _ = in_tiles(near, LARGE, 1000)
    assert np.abs(tiled - upscale(engine, LARGE)).max() > 0.01  # ten times what the test above allows


@pytest.mark.parametrize(
    "name, scale", [("cunet", 1), pytest.param("upcunet", 2, marks=pytest.mark.slow), ("carn-v2", 2)]
)
def test_models_with_a_global_mean_are_exact_except_for_their_means(name, scale):
    """The means are a tile's, as in the models' own projects; what doesn't depend on them stays exact."""
    model = create_model(name, scale, **small(name))
    engine = of_model(model)
    area = 100**2
    rgb = smooth(130, 120)
    difference = np.abs(in_tiles(engine, rgb, area)[0] - upscale(engine, rgb))
    assert 0 < difference.max() < 3, name

    for layer in model.layers:
        if layer.name.endswith("_excite"):
            layer.set_weights([0 * weights for weights in layer.get_weights()])
    np.testing.assert_allclose(in_tiles(engine, rgb, area)[0], upscale(engine, rgb), atol=1e-3, err_msg=name)


def smooth(height, width):
    """An image whose tiles have different means."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 100 * np.sin(x / 31 + k) * np.cos(y / 47 - k) for k in range(3)]
    return np.stack(waves, axis=-1).astype("uint8")


def test_strips_run_from_top_to_bottom_and_are_rows_of_tiles():
    fake = Fake()
    made = list(strips(fake.engine, LARGE, SMALL_TILES))
    assert len(made) > 3
    assert all(strip.dtype == "float32" and strip.shape[1:] == (2 * LARGE.shape[1], 3) for strip in made)
    np.testing.assert_array_equal(np.concatenate(made), repeated(LARGE))
    assert max(height * width for height, width in fake.tiles) <= 400
    assert len(set(fake.tiles)) == 1


def test_a_strip_is_yielded_before_the_next_row_begins():
    fake = Fake()
    made = strips(fake.engine, LARGE, SMALL_TILES)
    next(made)
    first = len(fake.tiles)
    next(made)
    assert len(fake.tiles) == 2 * first


@pytest.mark.parametrize(
    "receptive_field", [ReceptiveField(2, bytes_per_pixel=10_000), ReceptiveField(3, 4, bytes_per_pixel=10_000)]
)
@pytest.mark.parametrize("limit", [150, 200, 300])
def test_if_memory_runs_out_tiles_are_halved_and_the_image_is_complete(limit, receptive_field):
    fake = Fake(receptive_field=receptive_field, limit=limit)
    np.testing.assert_array_equal(np.concatenate(list(strips(fake.engine, LARGE, SMALL_TILES))), repeated(LARGE))
    assert 0 < fake.refused <= 3


@pytest.mark.parametrize("place", ["tile", "strip"])
def test_if_memory_runs_out_outside_the_engine_tiles_are_halved_too(monkeypatch, place):
    """NumPy raises MemoryError, be it for a tile or for the strip that tiles are put into."""
    largest, released, fake = [250], [], Fake()
    engine = dataclasses.replace(fake.engine, release=lambda: released.append(1))
    if place == "tile":

        class Image:
            shape = LARGE.shape

            def __getitem__(self, part):
                values = LARGE[part]
                if values.shape[0] * values.shape[1] > largest[0]:
                    raise MemoryError
                return values

        image = Image()
    else:
        image, empty = LARGE, np.empty

        def limited(shape, dtype="float64"):
            if math.prod(shape) > 12 * 8 * LARGE.shape[1]:
                raise MemoryError
            return empty(shape, dtype)

        monkeypatch.setattr(np, "empty", limited)
    made = list(strips(engine, image, SMALL_TILES))
    np.testing.assert_array_equal(np.concatenate(made), repeated(LARGE))
    assert released


def test_finished_tiles_are_kept_when_memory_runs_out():
    class Shrinking(Fake):
        def run(self, batch):
            if len(self.tiles) == 7:  # in the middle of a row
                self.limit = 250
            return super().run(batch)

    fake = Shrinking()
    made = np.concatenate(list(strips(fake.engine, LARGE, SMALL_TILES)))
    np.testing.assert_array_equal(made, repeated(LARGE))
    assert fake.refused == 1
    small_tiles = [np.prod(tile) for tile in fake.tiles[7:]]
    assert max(small_tiles) <= 200
    # What was finished isn't done again: without the overlap all tiles together are little more than the image.
    inside = sum((height - 4) * (width - 4) for height, width in fake.tiles)
    assert inside <= 1.2 * LARGE.shape[0] * LARGE.shape[1]


def test_a_tile_that_cannot_be_halved_ends_the_work():
    with pytest.raises(InputError, match=r"isn't enough memory to run fake on a tile of \d+ x \d+ pixels"):
        upscale(Fake(limit=10).engine, LARGE, SMALL_TILES)


def test_each_tile_is_checked():
    def spoil(sr, k):
        if k == 5:
            sr[0, -1, -1, 0] = np.nan
        return sr

    with pytest.raises(InputError, match=r"fake returned values that aren't finite.*float32 isn't precise enough"):
        upscale(Fake(spoil=spoil).engine, LARGE, SMALL_TILES)
    with pytest.raises(InputError, match=r"returned an array of shape \(.*, 3\); expected was"):
        upscale(Fake(spoil=lambda sr, k: sr[:, 1:] if k == 3 else sr).engine, LARGE, SMALL_TILES)


@pytest.mark.parametrize("self_ensemble", [False, True])
@pytest.mark.parametrize("limit", [None, 200])
def test_watch_counts_every_finished_pixel(self_ensemble, limit):
    pixels = []
    fake = Fake(limit=limit)
    made = strips(fake.engine, LARGE, SMALL_TILES, self_ensemble, watch=pixels.append)
    np.testing.assert_allclose(np.concatenate(list(made)), repeated(LARGE))
    total = LARGE.shape[0] * LARGE.shape[1]
    assert len(pixels) == len(fake.tiles)
    assert total == pytest.approx(sum(pixels)) if limit is None else total <= sum(pixels) + 1e-6 < 1.1 * total


def test_values_that_are_not_finite_are_blamed_on_the_image_if_it_has_them():
    broken = LARGE.astype("float32")
    broken[50, 50] = np.nan
    with pytest.raises(InputError, match="The image has values that aren't finite"):
        upscale(Fake().engine, broken, SMALL_TILES)


def test_values_that_are_not_finite_are_refused():
    broken = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    broken.get_layer("tail_x2").bias.assign(np.full(12, np.nan))
    with pytest.raises(InputError, match=r"aren't finite. Its weights are damaged"):
        upscale(broken, RGB)


def test_self_ensemble_is_the_same_with_tiles():
    engine = of_model(create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1))
    whole = upscale(engine, LARGE, self_ensemble=True)
    assert np.abs(whole - upscale(engine, LARGE)).max() > 0.1
    tiled, count = in_tiles(engine, LARGE, 1000, self_ensemble=True)
    assert count > 8 * 4
    assert np.abs(tiled - whole).max() <= 1e-3


def test_self_ensemble_fits_the_grid_of_strides_in_every_position():
    """Flipped, a tile begins where it ended."""

    class Pooling(Fake):
        """Each pixel becomes the mean of its 4 x 4 block, counted from the top left; the last blocks may be cut."""

        def run(self, batch):
            height, width = batch.shape[1:3]
            grown = np.pad(batch.astype("float64"), [(0, 0), (0, -height % 4), (0, -width % 4), (0, 0)], "edge")
            blocks = grown.reshape(len(batch), grown.shape[1] // 4, 4, grown.shape[2] // 4, 4, 3)
            means = blocks.mean(axis=(2, 4)).repeat(4, axis=1).repeat(4, axis=2)
            return super().run(means[:, :height, :width])

    engine = Pooling(receptive_field=ReceptiveField(3, 4, bytes_per_pixel=10_000)).engine
    for size in ((61, 46), (64, 43), (90, 70)):
        rgb = LARGE[: size[0], : size[1]]
        whole = upscale(engine, rgb, self_ensemble=True)
        np.testing.assert_allclose(upscale(engine, rgb, SMALL_TILES, self_ensemble=True), whole, atol=1e-3)


@pytest.mark.parametrize("file", ["wdsr_a_8_e6_x2.npz", "edsr_8_x2.npz"])
def test_tiled_output_equals_untiled_output_with_published_weights(reference, file):
    source = formats.read(reference / "weights" / file)
    engine = of_model(import_weights(source, choose(recognize(source.arrays))))
    photo = sorted((reference / "images" / "benchmark" / "Set5").rglob("*.png"))[0]
    rgb = images.read(photo)[:130, :120]
    whole = upscale(engine, rgb)
    tiled, count = in_tiles(engine, rgb, 75**2)
    assert count >= 4
    assert np.abs(tiled - whole).max() <= 1e-3
    assert (np.round(tiled) != np.round(whole)).mean() <= 1e-5


@pytest.mark.parametrize("side", [40, 64, 99])
def test_tiles_of_a_requested_side_give_the_untiled_output(model, side):
    engine, tiles = of_model(model), []
    counted = dataclasses.replace(engine, run=lambda lr: tiles.append(lr.shape[1:3]) or engine.run(lr))
    tiled = upscale(counted, LARGE, tile=side)
    assert set(tiles) == {(side, side)} and len(tiles) >= 4
    np.testing.assert_allclose(tiled, upscale(engine, LARGE), atol=1e-3)  # float32 on 0..255


def test_a_requested_side_is_halved_too_if_memory_runs_out():
    fake = Fake(limit=500)
    made = np.concatenate(list(strips(fake.engine, LARGE, tile=32)))
    np.testing.assert_array_equal(made, repeated(LARGE))
    assert 0 < fake.refused <= 3
