"""JPEG compression in memory, by Pillow or as Real-ESRGAN was trained with.

The real encoder is the better model of real files. DiffJPEG is for comparisons with published trainings: its luminance
table is transposed and nothing is rounded, so at quality 30 it differs from Pillow by 3.7 levels on average.
"""

import io

import numpy as np
from PIL import Image

BLOCK = 8
# ITU-T T.81, Annex K; luminance transposed, as in DiffJPEG.
LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    "float32",
).T
CHROMINANCE = np.full((8, 8), 99, "float32")
CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
TO_YCBCR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], "float32")
TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], "float32")
_N = np.arange(BLOCK)
DCT = (np.cos((2 * _N + 1) * _N[:, None] * np.pi / 16) * np.where(_N == 0, np.sqrt(1 / 8), 0.5)[:, None]).astype(
    "float32"
)


def jpeg(image: np.ndarray, quality: int, subsampling: str = "4:2:0") -> np.ndarray:
    """Compresses a uint8 image as JPEG in memory and decodes it; "4:4:4" keeps chroma at full resolution."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file).convert("RGB"))


def diff_jpeg(image: np.ndarray, quality: float) -> np.ndarray:
    """Compresses a float32 image [3, height, width] in 0..1 as DiffJPEG does (BasicSR's `diffjpeg.py`).

    Borders are padded with black to multiples of 16, chroma is the mean of 2 x 2 pixels, and only DCT coefficients are
    rounded.
    """
    height, width = image.shape[1:]
    scale = 50 / quality if quality < 50 else 2 - quality / 50
    image = np.pad(image * 255, [(0, 0), (0, -height % 16), (0, -width % 16)])
    luma, *chroma = np.tensordot(TO_YCBCR, image, 1)
    planes = [_quantized(luma - 128, LUMINANCE * np.float32(scale)) + 128]
    for plane in chroma:
        rows, columns = plane.shape
        half = plane.reshape(rows // 2, 2, columns // 2, 2).mean((1, 3))
        planes.append(_quantized(half, CHROMINANCE * np.float32(scale)).repeat(2, 0).repeat(2, 1))
    rgb = np.tensordot(TO_RGB, np.stack(planes), 1)[:, :height, :width]
    return np.clip(rgb, 0, 255) / np.float32(255)


def _quantized(plane, table):
    rows, columns = plane.shape
    blocks = plane.reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK).swapaxes(1, 2)
    coefficients = np.rint(DCT @ blocks @ DCT.T / table) * table
    return (DCT.T @ coefficients @ DCT).swapaxes(1, 2).reshape(rows, columns)
