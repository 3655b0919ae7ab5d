import gzip
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.helpers import weight_files as made
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats
from wdsr_tf.importers.formats import confined


@pytest.mark.parametrize("name", ["endless.h5.gz", "greedy.h5.gz"])
def test_files_that_hang_or_exhaust_the_hdf5_library_end_in_an_error(tmp_path, name):
    """Found by fuzzing: HDF5 1.14 never returns from the first, and allocates 2 GB for the second, of 24 kB."""
    path = tmp_path / "weights.h5"
    path.write_bytes(gzip.decompress((REPOSITORY / "tests" / "data" / name).read_bytes()))
    with pytest.raises(InputError, match=r"the file is damaged|allocat"):
        formats.read(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_child_that_dies_is_an_error(tmp_path, monkeypatch):
    path = made.write_hdf5(tmp_path)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(InputError, match="its library crashed"):
        confined.read("hdf5", path, path.stat().st_size)
