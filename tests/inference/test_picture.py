import numpy as np
import pytest
from PIL import Image

from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.images.resize import imresize_rows
from wdsr_tf.inference.engines import Engine
from wdsr_tf.inference.picture import upscale_picture, upscale_to_file
from wdsr_tf.receptive_field import ReceptiveField

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (37, 29, 4), "uint16")


def engine(scale=2, run=None):
    """A network that repeats each pixel."""

    def nearest(batch):
        return np.asarray(batch, "float32").repeat(scale, axis=1).repeat(scale, axis=2)

    return Engine("keras", "float32", "nearest", scale, ReceptiveField(radius=0), run or nearest)


def smooth(batch):
    """A network that blurs across edges, as real ones do: the mean of 5 x 5."""
    batch = np.asarray(batch, "float32")
    padded = np.pad(batch, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    height, width = batch.shape[1:3]
    mean = sum(padded[:, i : i + height, j : j + width] for i in range(5) for j in range(5)) / 25
    return mean.repeat(2, axis=1).repeat(2, axis=2)


def picture(dtype, gray, clear):
    values = images.to_depth(DEEP / 257, dtype)
    rgb = values[..., :1].repeat(3, axis=-1) if gray else values[..., :3]
    least = values.dtype.type(images.Picture(values).peak / 255)  # nothing is hidden
    alpha = np.maximum(values[..., 3], least) if clear else None
    return images.Picture(rgb, alpha, gray, {"dpi": (72.0, 144.0)})


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("gray, clear", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("scale", [2, 3])
def test_depth_gray_and_alpha_stay_and_dpi_grow(dtype, gray, clear, scale):
    small = picture(dtype, gray, clear)
    large = upscale_picture(engine(scale), small)
    assert large.rgb.dtype == dtype and large.gray == gray
    wanted = small.rgb.repeat(scale, axis=0).repeat(scale, axis=1)
    if dtype == "float32" or (gray and dtype == "uint16"):  # 65535 levels in float32, summed with weights
        np.testing.assert_allclose(large.rgb, wanted, rtol=1e-6, atol=1 if dtype == "uint16" else 1e-6)
    else:
        np.testing.assert_array_equal(large.rgb, wanted)
    assert large.metadata == {"dpi": (72.0 * scale, 144.0 * scale)}
    assert (large.alpha is not None) == clear
    if clear:
        height, width = small.alpha.shape
        alpha = imresize_rows(small.alpha, (height * scale, width * scale), 0, height * scale).clip(0, small.peak)
        np.testing.assert_allclose(large.alpha, alpha, atol=1e-6 if dtype == "float32" else 0)


def test_gray_stays_gray_whatever_the_model_returns():
    tinted = engine(run=lambda batch: engine().run(batch) * np.float32([1.1, 0.9, 1]))
    large = upscale_picture(tinted, picture("uint8", True, False))
    assert (large.rgb == large.rgb[..., :1]).all()


@pytest.mark.parametrize("run", [None, smooth], ids=["nearest", "smooth"])
@pytest.mark.parametrize("ground", [(255, 255, 255), (0, 0, 0)])
def test_hidden_colors_leave_no_halo_around_a_disc(run, ground):
    rows, columns = np.mgrid[:60, :50]
    inside = np.hypot(rows - 30, columns - 25) < 14
    rgb = np.where(inside[..., None], (200, 10, 30), ground).astype("uint8")
    large = upscale_picture(engine(run=run), images.Picture(rgb, np.where(inside, 255, 0).astype("uint8")))
    seen = large.alpha > 0
    assert seen.sum() > 4 * inside.sum()  # also the soft edge around it
    assert (large.rgb[seen] == [200, 10, 30]).all()
    assert set(np.unique(large.alpha)) > {0, 255}


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".bmp", ".avif", ".jpg"])
def test_the_file_holds_the_enlarged_picture(tmp_path, suffix):
    small = picture("uint8", False, False)
    upscale_to_file(tmp_path / f"a{suffix}", engine(), small)
    read = images.read_picture(tmp_path / f"a{suffix}")
    large = upscale_picture(engine(), small)
    assert read.rgb.shape == large.rgb.shape
    if suffix in images.LOSSLESS:
        np.testing.assert_array_equal(read.rgb, large.rgb)
    assert read.metadata["dpi"] == pytest.approx((144, 288), abs=0.02)  # whole pixels per metre


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_a_file_takes_the_nearest_depth_that_it_can_hold(tmp_path, dtype, suffix):
    pytest.importorskip("imagecodecs")
    pytest.importorskip("tifffile")
    small = picture(dtype, True, True)
    upscale_to_file(tmp_path / f"a{suffix}", engine(), small)
    read = images.read_picture(tmp_path / f"a{suffix}")
    held = images.fitting_depth(f"a{suffix}", dtype)
    assert read.rgb.dtype == held and read.gray
    large = upscale_picture(engine(), small, held)
    np.testing.assert_array_equal(read.rgb, large.rgb)
    np.testing.assert_array_equal(read.alpha, large.alpha)


def test_exif_and_profile_go_through_and_the_sizes_in_exif_grow(tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[images.ORIENTATION] = "a camera", 6
    exif[0x8769] = {0xA002: 29, 0xA003: 37}
    Image.fromarray(images.to_depth(DEEP[..., :3] / 257, "uint8")).save(
        tmp_path / "a.jpg", exif=exif, icc_profile=b"profile" + bytes(121), dpi=(72, 72)
    )
    upscale_to_file(tmp_path / "b.png", engine(3), images.read_picture(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "b.png") as image:
        assert image.size == (111, 87)  # turned
        assert image.getexif()[0x010F] == "a camera" and images.ORIENTATION not in image.getexif()
        assert image.getexif().get_ifd(0x8769) == {0xA002: 111, 0xA003: 87}
        assert image.info["icc_profile"] == b"profile" + bytes(121)
        assert image.info["dpi"] == pytest.approx((216, 216), abs=0.02)


def test_what_the_format_cannot_hold_is_refused_before_the_model_runs(tmp_path):
    idle = engine(run=lambda _: pytest.fail("the network ran"))
    with pytest.raises(InputError, match="transparency"):
        upscale_to_file(tmp_path / "a.jpg", idle, picture("uint8", False, True))
    wide = images.Picture(np.zeros((1, 8192, 3), "uint8"))
    with pytest.raises(InputError, match="16383"):
        upscale_to_file(tmp_path / "a.webp", idle, wide)
    assert not list(tmp_path.iterdir())


def test_values_that_are_not_finite_leave_no_file(tmp_path):
    broken = engine(run=lambda batch: np.full((len(batch), *(2 * n for n in batch.shape[1:3]), 3), np.nan, "float32"))
    with pytest.raises(InputError, match="finite"):
        upscale_to_file(tmp_path / "a.png", broken, picture("uint8", False, False))
    assert not list(tmp_path.iterdir())
