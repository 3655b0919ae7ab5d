import numpy as np
import pytest

from benchmarks import one_file
from tests.helpers import published


@pytest.fixture
def weights(tmp_path, empty_cache):
    np.savez(tmp_path / "a.npz", **published.edsr(2).arrays)
    return tmp_path / "a.npz"


def test_quality_is_what_the_file_is_recognized_as(weights):
    found = one_file.quality(weights)
    assert (found["network"], found["project"]) == ("edsr", "sanghyun-son/EDSR-PyTorch")
    assert (found["scales"], found["psnr"]) == ([2], {})
    assert found["parameters"] == sum(
        array.size
        for name, array in published.edsr(2).arrays.items()
        if not name.endswith(("_mean.weight", "_mean.bias"))
    )


def test_speed_times_the_conversion_and_every_engine(weights, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setattr(one_file, "SIDE", 8)
    found = one_file.speed(weights)
    assert found["convert"] > 0 and [*found["seconds"]] == [*one_file.ENGINES]


def test_memory_is_not_measured_with_keras_in_the_process(weights):
    one_file.quality(weights)
    with pytest.raises(RuntimeError, match="Keras was loaded"):
        one_file.memory(weights)
