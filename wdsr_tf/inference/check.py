"""Does a result show its image? Finds what users complain about: black, tinted, swapped, shifted, or damaged output.

The result is reduced to the size of the image by antialiased bicubic, which inverts upscaling closely, and compared
with it. The limits are far above what the bundled models differ by (`python -m benchmarks.check`), and models that
remove noise or grain may change every pixel: what is compared are means, of the whole and of cells, and edges.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator

import numpy as np

from wdsr_tf import images
from wdsr_tf.images.resize import imresize_rows

TINT = 3.0  # levels that the mean of a channel may differ by from that of the image
NOISY = 0.1  # and this share of the standard deviation of the difference: of removed noise, some isn't symmetric
CELL = 16  # pixels a side of a cell
LOCAL = 40.0  # levels that the mean of a cell may differ by
SHIFT = 0.3  # pixels of the image
SWAPPED = 0.5  # how much smaller the squared error is with channels exchanged
FAITHFUL = 20.0  # dB that the means of cells have at least
FLAT = 2.0  # the standard deviation, in levels, below which an image shows nothing
SEEN = 64  # pixels, or cells, that are enough to judge by
MARGIN = 4  # pixels: shifts by less are found
SLOPE = 0.25  # levels per pixel, root mean square: with less, a shift doesn't show
ROWS = 64  # that are reduced at a time
GRAY = np.array([0.299, 0.587, 0.114], "float32")  # BT.601
BINOMIAL = (1, 4, 6, 4, 1)
RGB = ("red", "green", "blue")


@dataclasses.dataclass(frozen=True)
class Check:
    """How a result differs from its image, at the size of the smaller one; levels are those of 0..255.

    Args:
        tint: by how much the mean of each channel is higher.
        noise: the standard deviation of the difference of a pixel.
        local: the largest difference of a cell's mean.
        swapped: the channels in the order in which they fit best.
        shift: how far the result lies to the right and below, in pixels.
        psnr: of the result that was reduced, in dB; of the means of cells if noise was removed.
        is_flat: whether the result shows nothing though the image does.
        mean: of the result.
    """

    tint: tuple[float, float, float]
    noise: float
    local: float
    swapped: tuple[int, int, int]
    shift: tuple[float, float]
    psnr: float
    is_flat: bool
    mean: float

    @property
    def faults(self) -> list[str]:
        """What is wrong, as phrases that follow "the result"; empty if nothing is."""
        if self.is_flat:
            return ["is black" if self.mean < FLAT else "shows nothing: all pixels are equal"]
        faults = []
        if self.swapped != (0, 1, 2):
            faults.append(f"has its channels exchanged: {', '.join(RGB[i] for i in self.swapped)}")
        elif max(map(abs, self.tint)) > TINT + NOISY * self.noise:
            shown = ", ".join(f"{name} {value:+.1f}" for name, value in zip(RGB, self.tint, strict=True))
            uniform = max(self.tint) - min(self.tint) < TINT / 2
            how = ("lighter" if self.tint[0] > 0 else "darker") if uniform else "tinted"
            faults.append(f"is {how} ({shown} of 255)")
        if max(map(abs, self.shift)) > SHIFT:
            faults.append("is shifted by {:+.1f} x {:+.1f} pixels of the image".format(*self.shift))
        if not faults and self.local > LOCAL:
            faults.append(f"differs by {self.local:.0f} of 255 in one place")
        if not faults and self.psnr < FAITHFUL:
            faults.append(f"shows something else ({self.psnr:.1f} dB)")
        return faults


def compare_files(source, result, max_pixels: float = images.MAX_PIXELS) -> list[str]:
    """Returns the faults of the image file `result`, made of `source`: phrases, such as "is black".

    Every frame and page that both have is compared. If the result's format can't describe the image's colors, and they
    were converted, colors aren't.
    """
    limit = 16 * max_pixels
    faults = {}
    for number, (image, made) in enumerate(zip(_pictures(source, max_pixels), _pictures(result, limit), strict=False)):
        check = compare(image, made)
        if _has_profile(image) != _has_profile(made):
            check = dataclasses.replace(check, tint=(0, 0, 0), swapped=(0, 1, 2), local=0)
        for fault in check.faults:
            faults.setdefault(fault, number)
    return [fault + (f" (image {number + 1})" if number else "") for fault, number in faults.items()]


def _has_profile(picture):
    return any(picture.metadata.get(name) for name in ("icc_profile", "cicp", "gama", "chrm"))


def _pictures(path, max_pixels) -> Iterator[images.Picture]:
    if images.is_animated(path):
        yield from (picture for picture, _ in images.read_frames(path, max_pixels).frames)
        return
    for page in range(images.page_count(path)):
        yield images.read_picture(path, max_pixels, page)


def compare(image: images.Picture, result: images.Picture) -> Check:
    """Returns the `Check` of a result; what is transparent in the image doesn't count."""
    size = tuple(map(min, image.rgb.shape[:2], result.rgb.shape[:2]))
    wanted, found = _reduced(image.rgb, size), _reduced(result.rgb, size)
    weights = np.ones(size, "float32") if image.alpha is None else _opaque(image, size)
    if weights.sum() < SEEN:
        return Check((0, 0, 0), 0, 0, (0, 1, 2), (0, 0), math.inf, False, float(found.mean()))
    difference, seen = found - wanted, _deviation(wanted, weights)
    cells = _cell_means(difference, weights)
    error = float((cells**2).mean()) if len(cells) > SEEN else 0.0
    return Check(
        tint=tuple(map(float, _mean(difference, weights))),
        noise=_deviation(difference, weights),
        local=float(np.abs(cells).max()) if len(cells) else 0.0,
        swapped=_order(wanted, found, weights),
        shift=_shift(wanted, found, weights),
        psnr=10 * math.log10(255**2 / error) if error else math.inf,
        is_flat=seen > FLAT and _deviation(found, weights) < min(FLAT, seen / 4),
        mean=float(_mean(found, weights).mean()),
    )


def _reduced(values, size):
    if values.shape[:2] == size:
        return images.to_levels(values).astype("float32")
    rows = (imresize_rows(values, size, top, min(top + ROWS, size[0])) for top in range(0, size[0], ROWS))
    return np.concatenate([images.to_levels(part).astype("float32") for part in rows])


def _opaque(picture, size):
    """1 where a pixel and its neighbors are opaque."""
    alpha = _reduced(picture.alpha, size) > 254
    padded = np.pad(alpha, 2, constant_values=True)
    height, width = size
    offsets = itertools.product(range(5), repeat=2)
    return np.logical_and.reduce([padded[y : y + height, x : x + width] for y, x in offsets]).astype("float32")


def _mean(values, weights):
    return np.tensordot(weights, values, 2).astype("float64") / weights.sum()


def _deviation(values, weights):
    return float(np.sqrt(np.clip(_mean(values**2, weights) - _mean(values, weights) ** 2, 0, None)).max())


def _cell_means(difference, weights):
    """The means of the difference in each cell, where all of it counts."""
    height, width = (length // CELL for length in weights.shape)
    if not (height and width):
        return np.empty((0, 3))

    def cells(values):
        cut = values[: height * CELL, : width * CELL]
        return cut.reshape(height, CELL, width, CELL, *values.shape[2:]).mean(axis=(1, 3))

    return cells(difference)[cells(weights) == 1]


def _order(wanted, found, weights):
    """The channels of the result in the order that fits the image best."""
    errors = np.array([[_mean((found[..., i] - wanted[..., j]) ** 2, weights) for j in range(3)] for i in range(3)])
    orders = {order: sum(errors[i, j] for j, i in enumerate(order)) for order in itertools.permutations(range(3))}
    best, own = min(orders, key=orders.get), orders[0, 1, 2]
    return best if own > 3 * FLAT**2 and orders[best] < SWAPPED * own else (0, 1, 2)


def _shift(wanted, found, weights):
    """How far the result lies to the right and below: the best whole shift, refined by least squares on gradients."""
    wanted, found = _blurred(wanted @ GRAY), _blurred(found @ GRAY)
    height, width = (length - 2 * MARGIN for length in wanted.shape)
    if min(height, width) < CELL:
        return 0.0, 0.0
    reference, weights = (values[MARGIN:-MARGIN, MARGIN:-MARGIN] for values in (wanted, weights))
    if weights.sum() < SEEN:
        return 0.0, 0.0

    def moved(y, x):
        return found[MARGIN + y : MARGIN + y + height, MARGIN + x : MARGIN + x + width]

    def change(y, x):
        difference = moved(y, x) - reference
        return difference - _mean(difference, weights)

    steps = range(1 - MARGIN, MARGIN)
    errors = {(y, x): float(_mean(change(y, x) ** 2, weights)) for y, x in itertools.product(steps, repeat=2)}
    y, x = min(errors, key=errors.get)
    slopes = (moved(y, x + 1) - moved(y, x - 1)) / 2, (moved(y + 1, x) - moved(y - 1, x)) / 2
    matrix = np.array([[_mean(a * b, weights) for b in slopes] for a in slopes])
    if np.linalg.eigvalsh(matrix)[0] < SLOPE**2:  # too little to see in one direction
        return 0.0, 0.0
    rest = np.linalg.solve(matrix, [_mean(change(y, x) * slope, weights) for slope in slopes])
    return float(x - rest[0]), float(y - rest[1])


def _blurred(values):
    """A binomial blur over five pixels, which leaves little of noise."""
    for axis in (0, 1):
        padded = np.pad(values, [(2, 2) if each == axis else (0, 0) for each in (0, 1)], mode="edge")
        taps = (padded.take(range(k, k + values.shape[axis]), axis) * weight for k, weight in enumerate(BINOMIAL))
        values = sum(taps) / sum(BINOMIAL)
    return values
