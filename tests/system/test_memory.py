import mmap

import pytest

from wdsr_tf.system import memory


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


GIB = 2**30


@pytest.fixture
def system(tmp_path):
    """`system(available, group, files)`: what is free where /proc and /sys/fs/cgroup say so."""

    def make(available, group, files):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable:   {available // 1024} kB\n")
        (tmp_path / "proc/self/cgroup").write_text(group)
        for name, content in files.items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(content))
        return memory.free(tmp_path / "proc", tmp_path / "groups")

    return make


def test_without_limits_all_that_is_available_is_free(system):
    assert system(3 * GIB, "0::/\n", {"memory.max": "max", "memory.current": 0}) == 3 * GIB


def test_a_limit_of_a_group_above_counts_and_what_is_only_cached_does_not(system):
    files = {
        "outer/memory.max": 2 * GIB,
        "outer/memory.current": GIB,
        "outer/memory.stat": f"anon 1\ninactive_file {GIB // 2}\n",
        "outer/inner/memory.max": "max",
        "outer/inner/memory.current": 5,
        "outer/inner/memory.stat": "inactive_file 0\n",
    }
    assert system(8 * GIB, "0::/outer/inner\n", files) == 1.5 * GIB


def test_control_groups_of_version_1_count_too(system):
    files = {
        "memory/job/memory.limit_in_bytes": GIB,
        "memory/job/memory.usage_in_bytes": GIB // 4,
        "memory/job/memory.stat": "cache 7\ntotal_inactive_file 0\n",
    }
    assert system(8 * GIB, "3:cpu:/job\n4:memory:/job\n0::/\n", files) == GIB - GIB // 4


def test_a_group_that_cannot_be_seen_from_a_container_is_its_root(system):
    files = {"memory.max": GIB, "memory.current": 0, "memory.stat": "inactive_file 0\n"}
    assert system(8 * GIB, "0::/outside/of/it\n", files) == GIB


def test_this_machine_has_some():
    assert 0 < memory.free() < 2**50


def test_where_no_system_says_psutil_does(tmp_path):
    psutil = pytest.importorskip("psutil")
    assert memory.free(tmp_path, tmp_path) == pytest.approx(psutil.virtual_memory().available, rel=0.2)
