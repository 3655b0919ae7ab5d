from pathlib import PurePath

import pytest

from wdsr_tf.distributed.shards import Shard
from wdsr_tf.errors import InputError

NAMES = [PurePath(f"folder-{number % 7}/{number}.png") for number in range(2000)]


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_every_image_is_in_one_shard_and_shards_are_about_equal(count):
    shares = [[name for name in NAMES if Shard(index, count).has(name)] for index in range(count)]
    assert sorted(name for share in shares for name in share) == sorted(NAMES)
    assert max(map(len, shares)) < 2 * len(NAMES) / count + 1


def test_shards_stay_the_same_on_every_machine_and_in_every_release():
    assert "".join(str(index) for name in NAMES[:12] for index in range(4) if Shard(index, 4).has(name)) == (
        "130302313331"
    )


def test_a_shard_is_parsed_and_printed_alike():
    assert str(Shard.parse("3/64")) == "3/64" and Shard.parse(None) == Shard(0, 1)


@pytest.mark.parametrize("text", ["", "1", "4/4", "1/0", "-1/4", "1/4/2", "a/b", "1/99999999999"])
def test_what_is_no_shard_is_named(text):
    with pytest.raises(InputError, match="--shard takes I/N, with I from 0 to N-1"):
        Shard.parse(text)
