"""What an image file may cost in memory and time, whatever it declares. One number scales all of it: `max_pixels`.

Files that programs write stay far below all limits except the first, which large panoramas and maps may reach. So one
flag is enough: who trusts a file raises `--max-pixels`.
"""

import contextlib
import dataclasses
import math
import threading
from collections.abc import Iterator, Sequence

from PIL import Image

from wdsr_tf.errors import InputError

LOCK = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits for reading an image file.

    Args:
        pixels: of an image, a frame or a page. They decide about memory.
        frames: all frames or pages together may have so many times `pixels`. They decide about time.
        scans: all scans of a JPEG together may pass over so many times `pixels`. Encoders write about ten scans.
        results: a result may have so many times `pixels`: the largest image that is read, upscaled four times.
        least_frame: pixels that a smaller frame or page counts as, because each costs time of its own.
        information: bytes of a file's profiles, texts and tags, compressed and not; what is beyond is left out.
        comment: bytes of a GIF's comments; what is beyond is left out.
        pages: of a TIFF.
    """

    pixels: float = 250_000_000
    frames: int = 16
    scans: int = 100
    results: int = 16
    least_frame: int = 2**16
    information: int = 64 * 2**20
    comment: int = 2**20
    pages: int = 2**16

    def check_size(self, width: int, height: int) -> None:
        """Raises InputError if an image, a frame or a page of that size is too large."""
        self._check(f"{width} x {height} pixels are", width * height)

    def check_frames(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Raises InputError if a frame or a page is too large, or all of them together; sizes are (width, height)."""
        for size in sizes:
            self.check_size(*size)
        if len(sizes) > 1:
            (width, height), smallest = max(sizes, key=math.prod), min(map(math.prod, sizes))
            least = f" (a small one counts as {self.least_frame})" if smallest < self.least_frame else ""
            pixels = sum(max(math.prod(size), self.least_frame) for size in sizes)
            said = f"{len(sizes)} frames or pages of up to {width} x {height} pixels{least} are together"
            self._check(said, pixels, self.frames)

    def check_scans(self, scans: int, width: int, height: int) -> None:
        """Raises InputError if so many scans of a JPEG of that size are too much work."""
        self._check(f"{scans} scans of {width} x {height} pixels pass over", scans * width * height, self.scans)

    def check_result(self, size: tuple[int, int], result: tuple[int, int]) -> None:
        """Raises InputError if a result is too large; both sizes are (width, height)."""
        said = "{} x {} pixels would become {} x {}, which are".format(*size, *result)
        self._check(said, math.prod(result), self.results)

    def check_pages(self, count: int) -> None:
        """Raises InputError if a TIFF has so many pages, whatever their sizes."""
        if count > self.pages:
            raise InputError(f"it has more than {self.pages} pages. Split it into several files.")

    def _check(self, said, pixels, times=1):
        if pixels > times * self.pixels:
            needed = math.ceil(pixels / times / 1e6)
            most = f"{times * self.pixels / 1e6:g}" + (f" ({times} times --max-pixels)" if times > 1 else "")
            raise InputError(
                f"its {said} {pixels / 1e6:.1f} megapixels; the limit is {most}. If you trust the file, raise the "
                f"limit with --max-pixels {needed} (in Python, max_pixels={needed}e6)."
            )


_current = Limits()
_lifted, _pillows_limit = 0, None


def limits_of(max_pixels: float | None = None) -> Limits:
    """Returns the limits that `max_pixels` scales; for None, those of `using` and `set_limits`, or the defaults."""
    return _current if max_pixels is None else Limits(max_pixels)


def set_limits(limits: Limits) -> None:
    """Sets the limits of this process wherever `max_pixels` isn't given."""
    global _current
    _current = limits


@contextlib.contextmanager
def using(limits: Limits) -> Iterator[None]:
    """Sets the limits of this process in a block, for all of its threads and for conversions' processes."""
    before = _current
    set_limits(limits)
    try:
        yield
    finally:
        set_limits(before)


@contextlib.contextmanager
def without_pillows_limit() -> Iterator[None]:
    """Lifts Pillow's own limit of pixels, which is one for the process, until all threads have left such blocks."""
    global _lifted, _pillows_limit
    with LOCK:
        if not _lifted:
            _pillows_limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _lifted += 1
    try:
        yield
    finally:
        with LOCK:
            _lifted -= 1
            if not _lifted:
                Image.MAX_IMAGE_PIXELS = _pillows_limit


def pillow_open(source, formats: Sequence[str]) -> Image.Image:
    """Opens an image with Pillow, but without its own limit; see `Limits.check_size`."""
    with without_pillows_limit():
        return Image.open(source, formats=formats)
