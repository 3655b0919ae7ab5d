import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.inference import budget
from wdsr_tf.receptive_field import ReceptiveField

GIB = 2**30


@pytest.mark.parametrize(
    "text, allowed",
    [
        ("2GiB", 2 * GIB),
        ("2 gb", 2 * GIB),
        ("1.5G", 1.5 * GIB),
        ("800MiB", 800 * 2**20),
        ("64k", 65536),
        ("1000000", 10**6),
        ("12B", 12),
        ("50%", 4 * GIB),
        ("12.5 %", GIB),
    ],
)
def test_sizes_and_shares_are_understood(text, allowed):
    assert budget.parse(text)(8 * GIB) == allowed


@pytest.mark.parametrize("text", ["", "much", "-1GiB", "0", "0%", "101%", "2GiBs", "50 percent", "1e9", "nan", "2%G"])
def test_anything_else_is_refused_with_examples(text):
    with pytest.raises(InputError, match="2GiB"):
        budget.parse(text)


def test_the_default_is_half_of_the_free_memory_up_to_a_limit():
    small = ReceptiveField(10, bytes_per_pixel=1000)
    assert budget.default(small, GIB) == GIB // 2
    assert budget.default(small, 100 * GIB) == GIB
    # EDSR with 256 filters: 1 GiB would be little more than the overlap
    wide = ReceptiveField(68, bytes_per_pixel=20_000)
    assert budget.default(wide, 100 * GIB) == 20_000 * (12 * 68) ** 2
    assert budget.default(wide, 8 * GIB) == 4 * GIB


def test_memory_becomes_pixels():
    receptive_field = ReceptiveField(10, bytes_per_pixel=1000)
    assert budget.pixels(receptive_field, GIB, "10%") == GIB // 10 // 1000
    assert budget.pixels(receptive_field, GIB) == GIB // 2 // 1000
    assert budget.pixels(receptive_field, 0) == 1
