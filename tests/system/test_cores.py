import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from wdsr_tf.system import cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(cores, "_by_affinity", lambda: 8)


def write(tmp_path, line, files):
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text(line)
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


V1 = "4:cpu,cpuacct:/job\n"


@pytest.mark.parametrize(
    "line, files, count",
    [
        ("0::/\n", {}, 8),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/job\n", {"job/cpu.max": "200000 100000\n"}, 2),
        ("0::/job/step\n", {"job/cpu.max": "150000 100000\n", "job/step/cpu.max": "max 100000\n"}, 2),
        ("0::/job\n", {"job/cpu.max": "10000 100000\n"}, 1),
        ("0::/job\n", {"job/cpu.max": "1600000 100000\n"}, 8),
        ("0::/job\n", {"job/cpu.max": "nonsense\n"}, 8),
        (V1, {"cpu/job/cpu.cfs_quota_us": "300000\n", "cpu/job/cpu.cfs_period_us": "100000\n"}, 3),
        (V1, {"cpu/job/cpu.cfs_quota_us": "-1\n", "cpu/job/cpu.cfs_period_us": "100000\n"}, 8),
    ],
)
def test_cores_are_those_of_the_affinity_and_of_every_quota_above(tmp_path, line, files, count):
    write(tmp_path, line, files)
    assert cores.available(tmp_path, tmp_path / "cgroup") == count


def test_a_system_without_control_groups_has_the_cores_of_the_affinity(tmp_path):
    assert cores.available(tmp_path, tmp_path) == 8


def test_libraries_choose_by_themselves_unless_cores_are_limited(monkeypatch):
    monkeypatch.setattr(cores, "available", lambda: 3)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert cores.limit() == 3
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert cores.limit() is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs CPU affinity")
def test_affinity_limits_jobs_and_threads():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); os.cpu_count = lambda: 64\n"
        "from wdsr_tf.system import cores; print(cores.available(), cores.limit())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout.split() == ["1", "1"]
