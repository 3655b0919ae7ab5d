"""Which part of a video to upscale: all of it, frames by number, or some seconds."""

import dataclasses
import re
from fractions import Fraction

from wdsr_tf.errors import InputError

PREVIEW = 5  # seconds


@dataclasses.dataclass(frozen=True)
class Sample:
    """A part of a video.

    Args:
        first: number of its first frame, counted from 1; None for a part by time, or the whole.
        last: number of its last frame.
        begin: in seconds; None for a part by number, or the whole.
        end: in seconds; that moment is beyond the part.
    """

    first: int | None = None
    last: int | None = None
    begin: Fraction | None = None
    end: Fraction | None = None

    def __bool__(self):
        """Whether it's a part, not the whole."""
        return self != WHOLE

    def start(self, time_base: Fraction, after: int | None) -> int | None:
        """Returns the time stamp from which frames are needed, or None: from the first on."""
        if after is not None:
            return after
        return None if self.begin is None else int(self.begin / time_base)

    def has(self, number: int | None, time: int, time_base: Fraction) -> bool:
        """Whether a frame is in it."""
        if self.first is not None:
            return self.first <= number <= self.last
        return self.begin is None or self.begin <= time * time_base < self.end

    def is_past(self, number: int | None, time: int, time_base: Fraction) -> bool:
        """Whether a frame is beyond it, as all later ones are."""
        if self.first is not None:
            return number > self.last
        return self.end is not None and time * time_base >= self.end

    def count(self, frames: int, rate: Fraction) -> int:
        """Returns how many frames to expect of a video with so many."""
        if self.first is not None:
            return self.last - self.first + 1
        return frames if self.begin is None else round((self.end - self.begin) * rate)


WHOLE = Sample()


def sample_of(frames: str | None = None, preview: str | None = None) -> Sample:
    """Returns the `Sample` for the values of `--frames` (such as 10-20) and `--preview` (such as 1:30)."""
    if frames is not None and preview is not None:
        raise InputError("--frames and --preview exclude each other.")
    if frames is not None:
        match = re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", frames)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise InputError(f"--frames takes two numbers counted from 1, such as 100-200, not {frames!r}.")
        return Sample(first=int(match[1]), last=int(match[2]))
    if preview is not None:
        begin = _seconds(preview)
        return Sample(begin=begin, end=begin + PREVIEW)
    return WHOLE


def _seconds(text):
    match = re.fullmatch(r"\s*(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)\s*", text)
    if not match:
        raise InputError(f"--preview takes a time in the video, such as 90, 1:30 or 0:01:30.5, not {text!r}.")
    hours, minutes, seconds = match.groups()
    return Fraction(seconds) + 60 * int(minutes or 0) + 3600 * int(hours or 0)
