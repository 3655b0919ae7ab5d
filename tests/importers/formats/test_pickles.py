import io
import time

import pytest

from tests.helpers import weight_files as made
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats
from wdsr_tf.importers.formats import pickles


@pytest.mark.parametrize(
    "code, message",
    [
        (b"(lp0\n.", "opcode LIST"),
        (b"P1\n.", "opcode PERSID"),
        (b"]}]\x92.", "opcode NEWOBJ_EX"),
        (b"])\x81.", "other than a function"),
        (b"](K\x01\x90.", "other than a set"),
        (b"\x82\x01.", "opcode EXT1"),
        (b"(ios\nsystem\n.", "'os.system'"),
        (b"](" + b"t" * 3 + b".", "a mark is missing"),
        (b"K\x01]b.", "other than a dictionary"),
        (b"}(K\x01\x85\x85K\x01u.", "neither strings"),
        (b"})K\x01s.", "neither strings"),
        (b"}\x8a\x08" + b"\xff" * 7 + b"\x7fK\x01s.", "small integers"),
        (b"]K\x01K\x01s.", "other than a dictionary"),
        (b"}K\x01a.", "other than a list"),
        (b"N)R.", "other than a function"),
        (b"(.", "damaged"),
        (b"N" * (pickles.MAX_OPCODES + 1) + b".", "more than 1000000 opcodes"),
    ],
)
def test_opcodes_that_no_checkpoint_needs_are_refused(code, message):
    with pytest.raises(InputError, match=message):
        pickles.load(io.BytesIO(code), {}, lambda identity: identity)


@pytest.mark.parametrize("call", ["list", "arguments"])
def test_a_small_pickle_cannot_copy_a_long_container_many_times(tmp_path, call):
    """A pickle of 4 MiB has room for 300,000 calls, each of which would visit everything in the container."""
    if call == "list":  # collections.OrderedDict of pairs
        long = b"](" + b"(U\x01aNt" * 10**5 + b"e"
        again = made.global_of("collections", "OrderedDict") + b"h\x00\x85R0"
    else:
        long = b"(" + b"N" * 10**5 + b"t"
        again = made.global_of("torch", "Size") + b"h\x00R0"
    start = time.process_time()
    with pytest.raises(InputError, match=r"more than 8 arguments|holds a NoneType"):
        formats.read(made.pytorch_zip(tmp_path / "a.pth", made.pickled(long + b"q\x000" + again * 10**4 + b"N")))
    assert time.process_time() - start < 60  # a hang, not a speed: one second is usual, copying takes minutes
