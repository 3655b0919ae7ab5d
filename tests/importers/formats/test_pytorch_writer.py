import numpy as np
import pytest

from tests.helpers import weight_files as made
from wdsr_tf.importers import formats
from wdsr_tf.importers.formats import pytorch_writer


def test_written_files_are_read_back_and_are_the_same_every_time(tmp_path):
    arrays = made.SAVED_BY_PYTORCH | {
        "scalar": np.float32(2.5),
        "none": np.zeros((0, 3), "f4"),
        "f": np.asfortranarray(made.KERNEL[0, 0]),
    }
    for name in ("a.pth", "b.pth"):
        pytorch_writer.write(tmp_path / name, arrays)
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()
    read = formats.read(tmp_path / "a.pth").arrays
    made.assert_same(read, {name: np.asarray(array, "f4") for name, array in arrays.items()})


def test_storages_are_aligned_so_that_pytorch_can_map_them(tmp_path):
    pytorch_writer.write(tmp_path / "a.pth", made.SAVED_BY_PYTORCH)
    data = (tmp_path / "a.pth").read_bytes()
    assert data.index(made.KERNEL.tobytes()) % 64 == 0


def test_pytorch_reads_written_files(tmp_path):
    torch = pytest.importorskip("torch")
    pytorch_writer.write(tmp_path / "a.pth", made.SAVED_BY_PYTORCH)
    state = torch.load(tmp_path / "a.pth", weights_only=True)
    made.assert_same(
        {name: tensor.numpy() for name, tensor in state.items()},
        {n: a.astype("f4") for n, a in made.SAVED_BY_PYTORCH.items()},
    )
