import mmap

import pytest

from wdsr_tf.benchmark import memory


def test_a_peak_is_seen_and_forgotten():
    if not memory.reset_peak():
        pytest.skip("this system does not tell the peak since a point in time")
    size = 2**28
    before = memory.peak()
    with mmap.mmap(-1, size) as pages:  # given back to the system when it is closed, unlike what malloc may keep
        pages.write(b"\1" * size)
    risen = memory.peak()
    assert risen >= before + size - memory.SLACK
    assert memory.reset_peak()
    assert memory.peak() < risen - size / 2


def test_a_system_that_does_not_forget_the_peak_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "PROCESS", tmp_path)
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t  2000000 kB\nVmRSS:\t   100000 kB\n")
    assert not memory.reset_peak()
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t  100020 kB\nVmRSS:\t   100000 kB\n")
    assert memory.reset_peak() and memory.peak() == 100_020 * 1024
    (tmp_path / "status").write_text("Name:\tpython\n")
    assert not memory.reset_peak()
