import numpy as np
import pytest
from PIL import Image

from wdsr_tf.data import degrade
from wdsr_tf.data.degrade import crops, waifu2x
from wdsr_tf.errors import InputError


def image(height, width, seed=0):
    """Smooth uint8 noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    for axis in (0, 1):
        noise = (noise + np.roll(noise, 1, axis) + np.roll(noise, 2, axis)) // 3
    return noise.astype("uint8")


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def encoded(monkeypatch):
    """Collects (shape, quality, subsampling) of every JPEG compression, and leaves the images unchanged."""
    calls = []

    def jpeg(pixels, quality, subsampling="4:2:0"):
        calls.append((pixels.shape, quality, subsampling))
        return pixels

    monkeypatch.setattr(waifu2x, "jpeg", jpeg)
    return calls


RECIPES = [
    "waifu2x-pytorch",
    "waifu2x-pytorch,level=0",
    "waifu2x-pytorch,level=2,filters=box",
    "waifu2x-pytorch-v1,level=0",
    "waifu2x-art",
    "bicubic-jpeg",
    "waifu2x-art,level=3",
    "waifu2x-art,level=1,margin=0",
    "waifu2x-photo,level=2,filters=box+sinc+catrom",
    "real-esrgan",
    "real-esrgan,sharpen=False,jpeg=diff,margin=0",
    "light",
    "bsrgan",
]


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("text", RECIPES)
def test_lr_has_the_promised_size_and_depends_on_hr_and_generator_alone(text, scale):
    make_lr = degrade.parse(text, scale)
    side = 20 + 2 * make_lr.margin
    hr = image(side * scale, (side + 4) * scale)
    before = hr.copy()
    lr = make_lr(hr, rng(5))
    assert (lr.shape, lr.dtype) == ((20, 24, 3), "uint8")
    assert np.array_equal(lr, make_lr(hr, rng(5)))
    assert np.array_equal(hr, before)


@pytest.mark.parametrize(
    "alias, name", [("seed-000,level=2", "waifu2x-pytorch,level=2"), ("seed-001,level=1", "waifu2x-pytorch-v1,level=1")]
)
def test_aliases_name_the_same_recipes(alias, name):
    hr = image(40, 48)
    assert np.array_equal(degrade.parse(alias, 2)(hr, rng()), degrade.parse(name, 2)(hr, rng()))
    assert degrade.parse(alias, 2).name == name.partition(",")[0]
    assert degrade.canonical(alias) == degrade.canonical(name) == name


def test_lr_shows_what_hr_shows_without_its_margin():
    hr = np.zeros((2 * 60, 2 * 60, 3), "uint8")
    hr[2 * 30 : 2 * 31, 2 * 28 : 2 * 29] = 255  # one LR pixel
    lr = degrade.recipe("waifu2x-art", 2, filters="box")(hr, rng())
    assert np.argwhere(lr[..., 0]).tolist() == [[30 - 24, 28 - 24]]


def test_waifu2x_pytorch_draws_filters_and_qualities_as_published(encoded, monkeypatch):
    drawn = []
    monkeypatch.setattr(waifu2x, "downscale", lambda hr, scale, filter: drawn.append(filter) or hr)
    for level in (0, 1, 2):
        make_lr, random = degrade.recipe("waifu2x-pytorch", 2, level=level), rng()
        for _ in range(1000):
            make_lr(image(4, 4), random)
    assert set(drawn) == {"bilinear", "bicubic", "lanczos"}
    qualities = [quality for _, quality, _ in encoded]
    assert (set(qualities[:1000]), set(qualities[1000:])) == (set(range(75, 96)), set(range(50, 76)))


def test_bicubic_jpeg_draws_all_qualities_from_low_to_high(encoded):
    hr, random = image(8, 8), rng()
    make_lr = degrade.parse("bicubic-jpeg,low=60,high=64", 2)
    expected = waifu2x.downscale(hr, 2, "bicubic")
    assert all(np.array_equal(make_lr(hr, random), expected) for _ in range(100))
    assert {quality for _, quality, _ in encoded} == set(range(60, 65))


@pytest.mark.parametrize("text", ["bicubic-jpeg,low=0", "bicubic-jpeg,low=96", "bicubic-jpeg,high=a"])
def test_bicubic_jpeg_rejects_invalid_qualities(text):
    with pytest.raises(InputError, match="low <= high"):
        degrade.parse(text, 2)


@pytest.mark.parametrize("level, quality", [(0, 100), (1, 90), (2, 80)])
def test_waifu2x_pytorch_v1_always_compresses_after_bicubic(level, quality):
    hr = image(32, 48)
    small = Image.fromarray(hr).resize((24, 16), Image.Resampling.BICUBIC)
    expected = degrade.jpeg(np.asarray(small), quality)
    assert np.array_equal(degrade.recipe("waifu2x-pytorch-v1", 2, level=level)(hr, rng()), expected)


@pytest.mark.parametrize(
    "style, level, passes, lowest, highest",
    [
        ("art", 0, {1}, 85, 95),
        ("art", 1, {1}, 65, 85),
        ("art", 2, {1, 2, 3}, 27, 70),
        ("art", 3, {1, 2, 3}, 27, 70),
        ("photo", 0, {1}, 85, 95),
        ("photo", 1, {1}, 37, 70),
        ("photo", 2, {1}, 37, 70),
        ("photo", 3, {1}, 37, 70),
    ],
)
def test_waifu2x_draws_qualities_as_published(style, level, passes, lowest, highest):
    random = rng()
    drawn = [waifu2x.waifu2x_qualities(style, level, random) for _ in range(4000)]
    assert {len(qualities) for qualities in drawn} == passes
    assert {min(q[0] for q in drawn), max(q[0] for q in drawn)} == {lowest, highest}
    shares = [np.mean([len(q) == n for q in drawn]) for n in (1, 2, 3)]
    if len(passes) == 3:
        assert shares == pytest.approx([0.6, 0.3, 0.1], abs=0.03)  # four standard errors of 4,000 draws
        assert {q[0] - q[1] for q in drawn if len(q) == 2} == set(range(5, 11))
        assert {q[0] - q[1] for q in drawn if len(q) == 3} == set(range(5, 16))
        assert {q[0] - q[2] for q in drawn if len(q) == 3} == set(range(15, 26))


@pytest.mark.parametrize(
    "text, rate",
    [
        ("waifu2x-art", 0),
        ("waifu2x-art,level=0", 0.65),
        ("waifu2x-art,level=3", 1),
        ("waifu2x-photo,level=1", 0.3),
        ("waifu2x-photo,level=2", 0.6),
        ("waifu2x-photo,level=2,nr_rate=0.1", 0.1),
    ],
)
def test_waifu2x_keeps_some_images_clean(encoded, text, rate):
    make_lr, random = degrade.parse(text, 1), rng()
    hr = image(50, 50)
    counts = []
    for _ in range(1000):
        make_lr(hr, random)
        counts.append(len(encoded))
    assert np.mean(np.diff([0, *counts]) > 0) == pytest.approx(rate, abs=0.06)  # four standard errors of 1,000 draws


def test_waifu2x_subsamples_half_of_its_jpegs_and_shifts_their_blocks(encoded):
    make_lr, random = degrade.recipe("waifu2x-art", 1, level=3), rng()
    for _ in range(1000):
        make_lr(np.zeros((50, 50, 3), "uint8"), random)
    assert np.mean([s == "4:2:0" for *_, s in encoded]) == pytest.approx(0.5, abs=0.06)
    assert {s for *_, s in encoded} == {"4:2:0", "4:4:4"}
    assert {50 - height for (height, _, _), *_ in encoded} == set(range(16))


def test_margin_removes_all_untrusted_pixels(encoded, monkeypatch):
    monkeypatch.setattr(waifu2x, "jpeg", lambda lr, *options: np.pad(lr[8:-8, 8:-8], [(8, 8), (8, 8), (0, 0)]))
    make_lr, random = degrade.recipe("waifu2x-art", 1, level=0, nr_rate=1), rng()
    assert all(make_lr(np.full((49, 49, 3), 9, "uint8"), random).all() for _ in range(200))


def test_downscaling_equals_pillows_up_to_its_rounding_between_passes():
    hr = image(40, 56)
    for ours, theirs in [("catrom", "bicubic"), ("lanczos", "lanczos"), ("box", "box")]:
        difference = waifu2x.downscale_blurred(hr, 2, ours).astype(int) - waifu2x.downscale(hr, 2, theirs)
        assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("filter", waifu2x.MAGICK_FILTERS)
@pytest.mark.parametrize("blur", [0.95, 1.0, 1.05])
def test_downscaling_keeps_flat_colors_and_does_not_shift(filter, blur):
    flat = np.full((16, 24, 3), 77, "uint8")
    assert (waifu2x.downscale_blurred(flat, 2, filter, blur) == 77).all()
    hr = image(16, 24)
    turned = waifu2x.downscale_blurred(hr[::-1, ::-1], 2, filter, blur)[::-1, ::-1]
    # Sums in the opposite order may round differently.
    assert np.abs(turned.astype(int) - waifu2x.downscale_blurred(hr, 2, filter, blur)).max() <= 1


def test_flat_patch_has_too_little_detail():
    assert not degrade.has_detail(np.full((128, 128, 3), 200, "uint8"))
    assert degrade.has_detail(rng().integers(0, 256, (128, 128, 3), "uint8"))
    assert degrade.has_detail(np.full((8, 8, 3), 200, "uint8"), min_bytes=50)


def test_large_images_are_limited_and_small_ones_unchanged():
    assert degrade.limit_size(np.zeros((300, 90, 3), "uint8"), 100).shape == (100, 30, 3)
    small = image(30, 40)
    assert degrade.limit_size(small) is small


def test_grid_covers_the_image_column_by_column():
    assert degrade.grid(10, 9, 4) == [(0, 0), (4, 0), (0, 4), (4, 4)]
    assert degrade.grid(3, 9, 4) == []
    chosen = degrade.grid(100, 100, 10, maximum=7, rng=rng())
    assert len(set(chosen)) == 7 and set(chosen) < set(degrade.grid(100, 100, 10))


def test_crops_cover_all_multiples_of_the_step():
    random, flat = rng(), np.zeros((13, 12, 3), "uint8")
    for rate in (0, 1):
        places = {degrade.active_crop(flat, 8, 2, random, rate, tries=1) for _ in range(300)}
        assert places == {(top, left) for top in (0, 2, 4) for left in (0, 2, 4)}


def test_active_cropping_finds_the_detail():
    hr = np.zeros((24, 24, 3), "uint8")
    hr[12:20:2, 12:20] = 255
    tries = 4000  # for 17 x 17 places
    assert degrade.active_crop(hr, 8, 1, rng(), rate=1, tries=tries) == (12, 12)
    random = rng()
    assert len({degrade.active_crop(hr, 8, 1, random, rate=0) for _ in range(tries)}) == 17 * 17


@pytest.mark.parametrize("top, left, size", [(0, 0, 8), (3, 4, 7), (5, 5, 8), (2, 1, 11)])
def test_detail_is_what_downscaling_by_2_loses(top, left, size):
    hr = image(20, 22).astype(float)
    half = hr.reshape(10, 2, 11, 2, 3).mean(axis=(1, 3)).repeat(2, axis=0).repeat(2, axis=1)
    expected = np.square(hr - half)[top : top + size, left : left + size].sum()
    assert crops._detail(hr, top, left, size) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "text, message",
    [
        ("seed-002", "Unknown degradation 'seed-002'. Did you mean 'seed-00[01]'.* Choose from waifu2x-pytorch, "),
        ("seed-000,level=3", "waifu2x-pytorch has no level 3. Choose from 0, 1, 2"),
        ("waifu2x-art,level=4", "waifu2x-art has no level 4. Choose from 0, 1, 2, 3"),
        ("waifu2x-art,noise=1", "waifu2x-art has no option 'noise'. Choose from level, filters, blur, nr_rate, margin"),
        ("waifu2x-pytorch,levle=1", "has no option 'levle'. Did you mean 'level'"),
        ("waifu2x-art,filters=box+point", "waifu2x-art has no filter 'point'. Choose from box, catrom, lanczos, sinc"),
        ("waifu2x-art,filters=lanczo", "has no filter 'lanczo'. Did you mean 'lanczos'"),
        ("waifu2x-pytorch,1", "NAME=VALUE, such as level=1; not '1'"),
        ("waifu2x-pytorch,filters=3", "has no filter '3'. Choose from bilinear"),
        ("waifu2x-pytorch,level=[1]", r"has no level \[1\]"),
        ("waifu2x-pytorch,level={[]:1}", "has no level"),
        ("waifu2x-art,level=True", "has no level True"),
        ("waifu2x-art,blur=a", "waifu2x-art: blur must be a number from 0 to 0.5, not 'a'"),
        ("waifu2x-art,blur=-0.1", "blur must be a number from 0 to 0.5"),
        ("waifu2x-art,blur=0.6", "blur must be a number from 0 to 0.5"),
        ("waifu2x-photo,nr_rate=x", "waifu2x-photo: nr_rate must be a number from 0 to 1, not 'x'"),
        ("waifu2x-photo,nr_rate=7", "nr_rate must be a number from 0 to 1"),
        ("waifu2x-art,margin=-1", "margin must be a whole number of LR pixels, not -1"),
        ("waifu2x-art,margin=1.5", "margin must be a whole number of LR pixels, not 1.5"),
        ("real-esrgan,sharpen=1", "real-esrgan: sharpen must be True or False, not 1"),
        ("light,jpeg=cv2", "light has no jpeg 'cv2'. Choose from pillow, diff"),
        ("bsrgan,margin=-1", "bsrgan: margin must be a whole number of LR pixels, not -1"),
        ("bsrgan,sharpen=True", "bsrgan has no option 'sharpen'. Choose from margin"),
        ("waifu2x-art,margin=None", "margin must be a whole number of LR pixels, not None"),
    ],
)
def test_misspelled_or_invalid_degradation_is_rejected(text, message):
    with pytest.raises(InputError, match=message):
        degrade.parse(text, 2)


def test_hr_that_is_too_small_or_not_a_multiple_of_the_scale_is_rejected():
    for shape in [(97, 98, 3), (96, 120, 3)]:
        with pytest.raises(InputError, match="multiples of 2 and at least 98"):
            degrade.recipe("waifu2x-art", 2)(np.zeros(shape, "uint8"), rng())
