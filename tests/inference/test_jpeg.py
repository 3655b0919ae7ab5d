import numpy as np
import pytest
from PIL import Image

from wdsr_tf import images
from wdsr_tf.inference.jpeg import is_noisy_jpeg, jpeg_quality


@pytest.mark.parametrize("quality", [20, 30, 50, 75, 85, 91, 94, 100])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(tmp_path, quality):
    images.write(tmp_path / "a.jpg", np.zeros((8, 8, 3), "uint8"), quality)
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")  # the name doesn't matter
    assert jpeg_quality(tmp_path / "a.png") == pytest.approx(quality, abs=1)
    assert is_noisy_jpeg(tmp_path / "a.png") == is_noisy_jpeg(str(tmp_path / "a.png")) == (quality < 93)
    with Image.open(tmp_path / "a.png") as image:
        assert jpeg_quality(image) == jpeg_quality(tmp_path / "a.png")
        assert is_noisy_jpeg(image) == (quality < 93)
        assert jpeg_quality(image.convert("L")) is None  # it doesn't know any more


def test_other_images_are_no_noisy_jpegs(tmp_path):
    images.write(tmp_path / "a.png", np.zeros((8, 8, 3), "uint8"))
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    for image in (*sorted(tmp_path.iterdir()), tmp_path / "absent.jpg", Image.new("RGB", (8, 8))):
        assert jpeg_quality(image) is None and not is_noisy_jpeg(image)
