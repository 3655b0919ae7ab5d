import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV isn't installed (pip install 'wdsr-tf[video]')")
from tests.helpers import videos
from wdsr_tf.errors import InputError
from wdsr_tf.video import color

FORMATS = ["yuv420p", "yuv422p", "yuv440p", "yuv444p", "yuvj420p", "yuv420p10le", "yuv444p12le", "gbrp", "gbrp10le"]
COLORS = [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128), (16, 200, 70)]


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", color.WEIGHTS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_flat_color_comes_back_within_the_rounding_of_its_codes(name, matrix, full):
    layout = color.layout_of(name)
    for rgb in np.array(COLORS, "float32") / 255:
        flat = np.broadcast_to(rgb, (7, 9, 3))
        planes = color.planes_of(color.to_frame(color.to_planes(flat, layout, matrix, full), layout), layout)
        again = color.to_rgb(planes, layout, matrix, full)
        assert np.abs(again - flat).max() * 255 < 2 / 2 ** (layout.bits - 8)
        for first, second in zip(planes, color.to_planes(again, layout, matrix, full), strict=True):
            assert np.abs(first.astype(int) - second).max() <= 1  # one, where rounding left the colors that RGB has


@pytest.mark.parametrize(
    ("matrix", "full", "codes"), [(1, False, (63, 102, 240)), (5, False, (81, 90, 240)), (5, True, (76, 85, 255))]
)
def test_red_has_the_codes_of_the_standards(matrix, full, codes):
    """BT.709 and BT.601 in limited range, and JFIF."""
    red = np.broadcast_to(np.array([1, 0, 0], "float32"), (2, 2, 3))
    planes = color.to_planes(red, color.layout_of("yuv444p"), matrix, full)
    assert tuple(int(plane[0, 0]) for plane in planes) == codes


@pytest.mark.parametrize(("tag", "full"), [(1, False), (5, False), (5, True), (9, False)])
def test_swscale_gives_the_same_colors_within_its_own_rounding(tag, full):
    layout = color.layout_of("yuv444p")
    rgb = videos.moving(48, 64, 3).astype("float32") / 255
    frame = color.to_frame(color.to_planes(rgb, layout, tag, full), layout)
    theirs = frame.reformat(
        format="rgb24", src_colorspace=tag, dst_colorspace=tag, src_color_range=2 if full else 1, dst_color_range=2
    )
    ours = color.to_rgb(color.planes_of(frame, layout), layout, tag, full) * 255
    assert np.abs(theirs.to_ndarray() - ours).max() < 3


def test_chroma_lies_in_the_left_of_two_columns_and_between_two_rows():
    layout = color.layout_of("yuv420p")
    ramp = np.linspace(0.2, 0.8, 32, dtype="float32")
    for values in (np.broadcast_to(ramp, (32, 32)), np.broadcast_to(ramp[:, None], (32, 32))):
        rgb = np.stack([values, np.full_like(values, 0.5), 1 - values], axis=-1)
        again = color.to_rgb(color.to_planes(rgb, layout, 1, False), layout, 1, False)
        assert np.abs(again - rgb)[2:-2, 2:-2].max() * 255 < 2.5  # no shift: half a column would be 2.4 levels more


@pytest.mark.parametrize("name", ["yuva420p", "pal8", "yuv411p", "gbrpf32le", "yuv420p10be", "monob"])
def test_other_pixel_formats_are_refused(name):
    with pytest.raises(
        InputError, match="alpha channel" if name == "yuva420p" else f"pixel format {name} isn't supported"
    ):
        color.layout_of(name)


def test_packed_pixels_are_read_as_planes():
    from av import VideoFrame

    rgb = videos.moving(8, 10, 1)
    layout = color.layout_of("rgb24")
    planes = color.planes_of(VideoFrame.from_ndarray(rgb, format="rgb24"), layout)
    np.testing.assert_array_equal(np.rint(color.to_rgb(planes, layout, 1, True) * 255), rgb)
