import dataclasses
import re
import tracemalloc

import numpy as np
import pytest

from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.images.resize import imresize
from wdsr_tf.inference import upscaler as job
from wdsr_tf.inference.engines import Engine
from wdsr_tf.inference.routing import Network
from wdsr_tf.inference.upscaler import Size, Upscaler, parse_size
from wdsr_tf.receptive_field import ReceptiveField

RGB = np.random.default_rng(0).integers(0, 256, (10, 16, 3), dtype="uint8")


@pytest.fixture
def upscaler(monkeypatch, tmp_path):
    """`workshop(size, scales, ...)`: networks that repeat each pixel, one per scale."""

    def engine(path, **how):
        scale = int(re.search(r"\d", path.name)[0])
        return Engine(
            "repeat", "float32", path.stem, scale, ReceptiveField(1), lambda x: repeated(x, scale).astype("float32")
        )

    def make(size=Size(), scales=(2,), **how):  # noqa: B008  (frozen)
        known = [Network(tmp_path / f"x{scale}.keras", scale, None, 0.0) for scale in scales]
        return Upscaler(known, size, **how)

    monkeypatch.setattr(job, "open_engine", engine)
    return make


def repeated(x, scale):
    return x.repeat(scale, axis=-3).repeat(scale, axis=-2)


@pytest.mark.parametrize(
    "texts, size, result",
    [
        (("3.5", None), Size(3.5), (35, 56)),
        (("0.25", None), Size(0.25), (2, 4)),
        ((None, "32x"), Size(width=32), (20, 32)),
        ((None, "x15"), Size(height=15), (15, 24)),
        ((None, "17x40"), Size(width=17, height=40), (40, 17)),
        ((None, "1x"), Size(width=1), (1, 1)),
        ((None, None), Size(), None),
    ],
)
def test_a_size_is_a_factor_or_sides(texts, size, result):
    assert parse_size(*texts) == size
    assert size.of(10, 16) == result


@pytest.mark.parametrize("texts", [("2", "4000x"), ("x", None), ("-1", None), ("0", None), ("nan", None), ("65", None)])
def test_what_is_no_factor_is_refused(texts):
    with pytest.raises(InputError, match="--scale"):
        parse_size(*texts)


@pytest.mark.parametrize("size", ["4000", "x", "0x", "4000x0", "-4x", "4.5x", "4000x3000x2", "99999999x"])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(InputError, match="--size"):
        parse_size(None, size)


def test_a_slip_of_the_finger_is_refused_before_any_work():
    with pytest.raises(InputError, match="would become 400000 x 250000, more than 64 times"):
        parse_size(None, "400000x").of(10, 16)


def test_a_whole_number_of_passes_is_written_as_the_network_returns_it(upscaler, tmp_path):
    images.write(tmp_path / "a.png", RGB)
    upscaler(Size(4.0)).upscale(tmp_path / "a.png", tmp_path / "b.png")
    np.testing.assert_array_equal(images.read(tmp_path / "b.png"), repeated(RGB, 4))


@pytest.mark.parametrize("size, shape", [(Size(3.0), (30, 48)), (Size(width=5), (3, 5)), (Size(0.5), (5, 8))])
def test_any_other_size_is_reached_by_shrinking(upscaler, tmp_path, size, shape):
    white = np.full_like(RGB, 255)
    images.write(tmp_path / "a.png", images.Picture(white, metadata={"dpi": (100.0, 100.0)}))
    upscaler(size).upscale(tmp_path / "a.png", tmp_path / "b.png")
    large = images.read_picture(tmp_path / "b.png")
    assert large.rgb.shape[:2] == shape and (large.rgb == 255).all()
    # PNG counts pixels per metre in whole numbers.
    np.testing.assert_allclose(large.metadata["dpi"], [100 * shape[1] / 16, 100 * shape[0] / 10], atol=0.02)


def test_sixteen_bits_go_through_every_pass(upscaler, tmp_path):
    deep = np.arange(480, dtype="uint16").reshape(10, 16, 3) * 131
    images.write(tmp_path / "a.png", images.Picture(deep))
    upscaler(Size(8.0)).upscale(tmp_path / "a.png", tmp_path / "b.png")
    large = images.read_picture(tmp_path / "b.png").rgb
    assert large.dtype == "uint16"
    assert np.abs(large.astype(int) - repeated(deep, 8)).max() <= 1  # 0..255 in float32 has steps of 2**-17 near white
    upscaler(Size(8.0)).upscale(tmp_path / "a.png", tmp_path / "b.jpg")
    assert images.read_picture(tmp_path / "b.jpg").rgb.dtype == "uint8"


@pytest.mark.parametrize("size", [Size(width=32, height=50), Size(width=80, height=20)])
def test_each_axis_has_its_own_resolution(upscaler, tmp_path, size):
    images.write(tmp_path / "a.tif", images.Picture(RGB, metadata={"dpi": (100.0, 50.0)}))
    upscaler(size).upscale(tmp_path / "a.tif", tmp_path / "b.tif")
    dpi = images.read_picture(tmp_path / "b.tif").metadata["dpi"]
    assert dpi == pytest.approx((100 * size.width / 16, 50 * size.height / 10))


@pytest.mark.parametrize("size, shape", [(Size(), (20, 32)), (Size(3.0), (30, 48))])
@pytest.mark.parametrize("channels", [1, 3])
def test_floats_go_through(upscaler, tmp_path, size, shape, channels):
    tifffile = pytest.importorskip("tifffile")
    values = (RGB / 255).astype("float32")[..., :channels].squeeze()
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb" if channels == 3 else "minisblack")
    upscaler(size).upscale(tmp_path / "a.tif", tmp_path / "b.tif")
    large = images.read_picture(tmp_path / "b.tif")  # raises where bicubic went beyond 0..1
    assert large.rgb.dtype == "float32" and large.rgb.shape == (*shape, 3) and large.gray == (channels == 1)
    assert large.rgb.std() == pytest.approx(values.std(), rel=0.2)


def test_eight_bits_between_passes_are_held_to_a_fraction_of_a_level(upscaler, tmp_path, monkeypatch):
    def halves(batch):
        return repeated(np.asarray(batch, "float32"), 2) * np.float32(0.93)  # no whole levels

    whole = job.open_engine
    monkeypatch.setattr(job, "open_engine", lambda *a, **k: dataclasses.replace(whole(*a, **k), run=halves))
    images.write(tmp_path / "a.png", RGB)
    upscaler(Size(3.0)).upscale(tmp_path / "a.png", tmp_path / "b.png")
    exact = np.clip(imresize(repeated(RGB, 4) * 0.93**2, size=(30, 48)), 0, 255)
    # Half a level of the last rounding; before it two passes (the first of which is multiplied by 0.93, and both by
    # bicubic weights whose sizes add up to 1.3 at most on each axis) and the resizing itself, each to 1/514 of a level.
    most = 0.5 + (1.93 * 1.3**2 + 1) / 514 + 1e-4  # and float32
    assert np.abs(images.read(tmp_path / "b.png") - exact).max() <= most


def test_any_other_size_takes_the_enlarged_picture_as_16_bits_and_no_more(upscaler, tmp_path):
    busy = upscaler(Size(1.9), how={"memory": "4MiB"})
    peaks = []
    for height in (400, 800, 1600):  # the first for whatever is made once
        images.write(tmp_path / "a.png", np.tile(RGB, (height // 10, 50, 1)))
        tracemalloc.start()
        busy.upscale(tmp_path / "a.png", tmp_path / "b.png")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    upscaled, original = 6 * 4 * 800 * 800, 3 * 800 * 800
    assert peaks[2] - peaks[1] < 1.2 * (upscaled + original)


def test_opaque_transparency_is_dropped_where_the_format_holds_none(upscaler, tmp_path):
    images.write(tmp_path / "a.png", images.Picture(RGB, np.full(RGB.shape[:2], 255, "uint8")))
    upscaler().upscale(tmp_path / "a.png", tmp_path / "b.jpg")
    assert images.read_picture(tmp_path / "b.jpg").alpha is None
    upscaler().upscale(tmp_path / "a.png", tmp_path / "b.png")
    assert (images.read_picture(tmp_path / "b.png").alpha == 255).all()


def test_results_far_above_the_limit_are_refused(upscaler):
    busy = upscaler(Size(4.0), max_pixels=160)
    assert busy.result_size(10, 16) == (40, 64)
    with pytest.raises(InputError, match=r"17 x 10 pixels would become 68 x 40, more than 16 times .* --max-pixels"):
        busy.result_size(10, 17)


@pytest.mark.parametrize(
    "how, message",
    [
        ({"how": {"memory": "much"}}, "memory is 'much'"),
        ({"engine": {"name": "onnx", "precision": "int8"}}, "onnx has no precision int8; it has float32"),
        ({"noise": 1}, "no network takes away noise of level 1"),
        ({"size": Size(2.0), "scales": (1,)}, "does not enlarge"),
    ],
)
def test_wishes_that_no_network_grants_are_refused_at_once(upscaler, how, message):
    with pytest.raises(InputError, match=message):
        upscaler(**how)


def test_gray_and_transparency_stay_through_every_pass(upscaler, tmp_path):
    gray = images.Picture(RGB[..., :1].repeat(3, axis=-1), np.full(RGB.shape[:2], 128, "uint8"), gray=True)
    images.write(tmp_path / "a.png", gray)
    for factor in (4.0, 3.0):
        upscaler(Size(factor)).upscale(tmp_path / "a.png", tmp_path / "b.png")
        large = images.read_picture(tmp_path / "b.png")
        assert large.gray and (large.alpha == 128).all()


def test_shrinking_without_a_network_leaves_no_halo(upscaler, tmp_path):
    alpha = np.zeros((10, 16), "uint8")
    alpha[3:8, 5:12] = 255
    rgb = np.where(alpha[..., None] > 0, (200, 10, 30), 255).astype("uint8")
    images.write(tmp_path / "a.png", images.Picture(rgb, alpha))
    upscaler(Size(0.5)).upscale(tmp_path / "a.png", tmp_path / "b.png")
    small = images.read_picture(tmp_path / "b.png")
    assert (small.rgb[small.alpha > 0] == (200, 10, 30)).all()


def test_frames_of_an_animation_keep_their_times(upscaler, tmp_path):
    frames = [(images.Picture(RGB), 100), (images.Picture(255 - RGB), 250)]
    images.write_animation(tmp_path / "a.webp", frames, loop=3)
    upscaler().upscale(tmp_path / "a.webp", tmp_path / "b.webp")
    animation = images.read_frames(tmp_path / "b.webp")
    assert [time for _, time in animation.frames] == [100, 250] and animation.loop == 3
    np.testing.assert_array_equal(animation.frames[1][0].rgb, repeated(255 - RGB, 2))
    upscaler().upscale(tmp_path / "a.webp", tmp_path / "first.jpg")  # a format of stills takes the first
    assert images.read(tmp_path / "first.jpg").shape == (20, 32, 3)


def test_what_the_format_cannot_hold_is_refused_before_any_work(upscaler, tmp_path):
    images.write(tmp_path / "a.png", images.Picture(RGB, RGB[..., 0]))
    images.write(tmp_path / "long.png", np.zeros((1, 20000, 3), "uint8"))
    busy = upscaler(watch=lambda pixels: pytest.fail("the network ran"))
    for name, reason in (("a.jpg", "can't store transparency"), ("long.webp", "limited to 16383 pixels")):
        with pytest.raises(InputError, match=reason):
            busy.upscale(next(tmp_path.glob(f"{name.partition('.')[0]}.png")), tmp_path / name)
        assert not (tmp_path / name).exists()


def test_pictures_above_the_limit_are_refused(upscaler, tmp_path):
    images.write(tmp_path / "a.png", RGB)
    with pytest.raises(InputError, match="--max-pixels"):
        upscaler(max_pixels=100).upscale(tmp_path / "a.png", tmp_path / "b.png")


def test_an_engine_is_opened_once_and_says_what_it_has_done(upscaler, tmp_path):
    images.write(tmp_path / "a.png", RGB)
    opened, done = [], []
    busy = upscaler(opened=lambda path, engine: opened.append(path.name), watch=done.append)
    for name in ("b.png", "c.png"):
        busy.upscale(tmp_path / "a.png", tmp_path / name)
    assert opened == ["x2.keras"] and sum(done) == 2 * 4 * 160


def test_values_that_are_not_finite_leave_no_file(upscaler, tmp_path, monkeypatch):
    images.write(tmp_path / "a.png", RGB)
    whole = job.open_engine
    monkeypatch.setattr(
        job, "open_engine", lambda *a, **k: dataclasses.replace(whole(*a, **k), run=lambda x: repeated(x, 2) * np.nan)
    )
    with pytest.raises(InputError, match="not finite"):
        upscaler().upscale(tmp_path / "a.png", tmp_path / "b.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_jpeg_picture_goes_through_the_network_for_it_first(upscaler, tmp_path):
    busy = upscaler(Size(4.0), scales=(2, 4))
    busy.known.append(Network(tmp_path / "q2.keras", 2, None, 0.0, jpeg=True))
    opened = []
    busy.opened = lambda path, engine: opened.append(path.name)
    images.write(tmp_path / "a.jpg", RGB, 75)
    images.write(tmp_path / "b.png", RGB)
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")  # its name does not tell
    busy.upscale(tmp_path / "b.png", tmp_path / "b-sr.png")
    assert opened == ["x4.keras"]
    busy.upscale(tmp_path / "a.png", tmp_path / "a-sr.png")
    assert opened == ["x4.keras", "q2.keras", "x2.keras"]
    assert images.size(tmp_path / "a-sr.png") == images.size(tmp_path / "b-sr.png") == (40, 64)
