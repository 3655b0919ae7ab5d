import numpy as np
import pytest

from wdsr_tf import images
from wdsr_tf.images.resize import imresize
from wdsr_tf.inference.check import compare, compare_files
from wdsr_tf.inference.upscaler import Upscaler


def scene(height=96, width=128):
    """Colors, edges and detail in all directions."""
    y, x = np.mgrid[:height, :width]
    random = np.random.default_rng(0).normal(0, 1, (height // 4, width // 4, 3)).repeat(4, axis=0).repeat(4, axis=1)
    waves = [128 + 50 * np.sin(x / (7 + k) + k) * np.cos(y / (9 - k)) for k in range(3)]
    return images.to_uint8(np.stack(waves, axis=-1) + 25 * random + np.array([30, 0, -40]))


LR = scene()
SR = imresize(LR, 2)


def faults(sr, lr=LR):
    return "; ".join(compare(images.Picture(lr), images.Picture(sr)).faults)


def tinted(sr):
    return np.dstack([images.to_uint8(sr[..., 0] + 5.0), sr[..., 1:]])


def with_black_tile(sr):
    sr = sr.copy()
    sr[:48, :64] = 0
    return sr


@pytest.mark.parametrize(
    "damage, message",
    [
        (np.zeros_like, "is black"),
        (lambda sr: np.full_like(sr, 128), "shows nothing"),
        (tinted, "is tinted (red +5"),
        (lambda sr: images.to_uint8(sr - 10.0), "is darker (red -10"),
        (lambda sr: sr[..., ::-1], "has its channels exchanged: blue, green, red"),
        (lambda sr: np.roll(sr, 2, axis=1), "is shifted by +1.0 x +0.0 pixels"),
        (lambda sr: np.roll(sr, -1, axis=0), "is shifted by +0.0 x -0.5 pixels"),
        (lambda sr: sr[:, ::-1], "is shifted"),
        (with_black_tile, ""),
    ],
)
def test_damage_is_found_and_named(damage, message):
    assert faults(SR) == ""
    found = faults(damage(SR))
    assert found and message in found.replace("-0.0", "+0.0")


@pytest.mark.parametrize("size", [(48, 64), (77, 100), (300, 150), (96, 128)])
def test_any_size_is_compared(size):
    assert faults(imresize(LR, size=size)) == ""
    assert faults(imresize(tinted(LR), size=size)).startswith("is tinted")


def test_what_is_transparent_does_not_count():
    alpha = np.full(LR.shape[:2], 255, "uint8")
    alpha[:, :40] = 0
    hidden = LR.copy()
    hidden[:, :40] = 0
    result = images.Picture(SR, imresize(alpha, 2))
    assert compare(images.Picture(hidden, alpha), result).faults == []
    assert compare(images.Picture(hidden), result).faults != []
    assert compare(images.Picture(LR, 0 * alpha), images.Picture(0 * SR, imresize(alpha, 2))).faults == []


@pytest.mark.parametrize(
    "rgb",
    [np.zeros((40, 40, 3), "uint8"), np.full((40, 40, 3), 200, "uint8"), LR[:1], LR[:3, :5], LR[:, :, :1] * (1, 1, 1)],
)
def test_flat_small_and_gray_images_raise_no_alarm(rgb):
    rgb = np.asarray(rgb, "uint8")
    assert faults(imresize(rgb, 2), rgb) == ""


def test_every_frame_and_page_is_compared(tmp_path):
    def write(folder, *frames):
        folder.mkdir()
        images.write_animation(folder / "a.webp", [(images.Picture(rgb), 100) for rgb in frames])
        with images.open_pages(folder / "a.tif", len(frames), 10**6) as open_page:
            for rgb in frames:
                with open_page(*rgb.shape[:2], images.Picture(rgb)) as writer:
                    writer.append(rgb)

    write(tmp_path / "lr", LR, LR[::-1])
    write(tmp_path / "sr", SR, 0 * SR + 1)
    for name in ("a.webp", "a.tif"):
        assert compare_files(tmp_path / "lr" / name, tmp_path / "lr" / name) == []
        assert compare_files(tmp_path / "lr" / name, tmp_path / "sr" / name) == ["is black (image 2)"]


def test_colors_that_the_format_made_the_writer_convert_are_no_tint(tmp_path):
    images.write(tmp_path / "a.png", images.Picture(LR, metadata={"gama": 100_000}))
    images.write(tmp_path / "b.bmp", images.Picture(SR, metadata=images.read_picture(tmp_path / "a.png").metadata))
    assert images.read(tmp_path / "b.bmp").mean() > SR.mean() + 10
    assert compare_files(tmp_path / "a.png", tmp_path / "b.bmp") == []
    images.write(tmp_path / "c.bmp", 0 * SR)
    assert compare_files(tmp_path / "a.png", tmp_path / "c.bmp") == ["is black"]


@pytest.mark.slow
@pytest.mark.parametrize("scale, noise", [(2, None), (3, None), (4, None), (1.5, None), (1, 1), (2, 1)])
def test_the_bundled_models_raise_no_alarm(reference, tmp_path, scale, noise):
    pytest.importorskip("onnxruntime")
    upscaler = Upscaler(scale=scale, noise=noise)
    for number, path in enumerate(images.find(reference / "images/benchmark/Set5/image_SRF_4")):
        rgb = images.read(path)[:64, :64]
        if noise:
            images.write(tmp_path / "a.jpg", rgb, 10 + 20 * (number % 5))
            rgb = images.read(tmp_path / "a.jpg")
        assert compare(images.Picture(rgb), images.Picture(upscaler.upscale(rgb))).faults == [], path
