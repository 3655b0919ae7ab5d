from fractions import Fraction

import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.video.sample import PREVIEW, WHOLE, Sample, sample_of


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1:30", 90), ("0:01:30.5", Fraction(181, 2)), (" 2.25", Fraction(9, 4))]
)
def test_a_time_is_seconds_or_has_minutes_and_hours(text, seconds):
    assert sample_of(preview=text) == Sample(begin=seconds, end=seconds + PREVIEW)


def test_without_flags_it_is_the_whole():
    assert sample_of() is WHOLE and not WHOLE
    assert sample_of(frames="3-3") == Sample(first=3, last=3)


@pytest.mark.parametrize("given", [{"frames": "5"}, {"frames": "0-3"}, {"frames": "9-3"}, {"preview": "soon"}])
def test_other_texts_are_refused_with_an_example(given):
    with pytest.raises(InputError, match="such as"):
        sample_of(**given)


def test_two_samples_are_refused():
    with pytest.raises(InputError, match="exclude each other"):
        sample_of(frames="1-2", preview="3")
