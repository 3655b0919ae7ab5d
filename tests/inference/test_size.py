import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.inference.size import Size, parse_size


@pytest.mark.parametrize(
    "given, size, result",
    [
        (("3.5", None), Size(3.5), (35, 56)),
        ((2, None), Size(2.0), (20, 32)),
        (("0.25", None), Size(0.25), (2, 4)),
        ((None, "32x"), Size(width=32), (20, 32)),
        ((None, "x15"), Size(height=15), (15, 24)),
        ((None, "17x40"), Size(width=17, height=40), (40, 17)),
        ((None, (17, 40)), Size(width=17, height=40), (40, 17)),
        ((None, (32, None)), Size(width=32), (20, 32)),
        ((None, "1x"), Size(width=1), (1, 1)),
        ((None, None), Size(), None),
    ],
)
def test_a_size_is_a_factor_or_sides(given, size, result):
    assert parse_size(*given) == size
    assert size.of(10, 16) == result


@pytest.mark.parametrize("scale", ["x", "-1", "0", "nan", "65", "", True, (2, 2)])
def test_an_invalid_factor_is_refused(scale):
    with pytest.raises(InputError, match="scale must be a factor up to 64"):
        parse_size(scale)


@pytest.mark.parametrize(
    "size", ["4000", "x", "0x", "4000x0", "-4x", "4.5x", "4000x3000x2", "99999999x", (0, 4), (None, None), ()]
)
def test_an_invalid_size_is_refused(size):
    with pytest.raises(InputError, match="size must be a width"):
        parse_size(None, size)


def test_a_factor_and_a_size_together_are_refused():
    with pytest.raises(InputError, match="scale and size exclude each other"):
        parse_size("2", "4000x")


def test_a_typing_error_is_refused_before_any_work():
    with pytest.raises(InputError, match="would become 400000 x 250000, more than 64 times"):
        parse_size(None, "400000x").of(10, 16)
