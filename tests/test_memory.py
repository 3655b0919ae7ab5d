import types

import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.inference import memory
from wdsr_tf.inference.reach import Reach

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
def test_sizes_and_parts_are_understood(text, allowed):
    assert memory.parse(text)(8 * GIB) == allowed


@pytest.mark.parametrize("text", ["", "much", "-1GiB", "0", "0%", "101%", "2GiBs", "50 percent", "1e9", "nan", "2%G"])
def test_anything_else_is_refused_with_examples(text):
    with pytest.raises(InputError, match="2GiB"):
        memory.parse(text)


def test_the_default_is_half_of_what_is_free_but_no_more_than_is_of_use():
    small = Reach(10, bytes_per_pixel=1000)
    assert memory.default(small, GIB) == GIB // 2
    assert memory.default(small, 100 * GIB) == GIB
    wide = Reach(68, bytes_per_pixel=20_000)  # EDSR with 256 filters: 1 GiB would be little more than the overlap
    assert memory.default(wide, 100 * GIB) == 20_000 * (12 * 68) ** 2
    assert memory.default(wide, 8 * GIB) == 4 * GIB


def test_memory_becomes_pixels():
    reach = Reach(10, bytes_per_pixel=1000)
    assert memory.pixels(reach, GIB, "10%") == GIB // 10 // 1000
    assert memory.pixels(reach, GIB) == GIB // 2 // 1000
    assert memory.pixels(reach, 0) == 1


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


def chain(*steps):
    """Nodes of (class of the layer, inputs, output), and the density of each tensor; a tensor is (name, channels)."""
    tensors, nodes = {}, []
    tensor = lambda name, channels: tensors.setdefault(  # noqa: E731
        name, types.SimpleNamespace(shape=(None, None, None, channels), dtype="float32")
    )
    for kind, given, made in steps:
        operation = type(kind, (), {})()
        nodes.append(
            types.SimpleNamespace(
                operation=operation, input_tensors=[tensor(*t) for t in given], outputs=[tensor(*made)]
            )
        )
    return nodes, {id(t): 1 for t in tensors.values()}


def of(*steps, scale=1):
    """Its activations alone, in channels of float32."""
    picture = 12 * (1 + 2 * scale**2)
    return (memory.bytes_per_pixel(*chain(*steps), scale) - picture) / 4 / memory.SLACK


def test_the_estimate_is_the_most_that_exists_at_once():
    lr, wide, out = ("lr", 3), ("wide", 64), ("out", 3)
    assert of(("Conv2D", [lr], wide), ("Conv2D", [wide], out)) == pytest.approx(67, abs=1)
    # A skip that is added at the end exists all the way.
    skip, sum_ = ("skip", 32), ("sum", 3)
    steps = [("Conv2D", [lr], skip), ("Conv2D", [skip], wide), ("Conv2D", [wide], out), ("Add", [out, skip], sum_)]
    assert of(*steps) == pytest.approx(32 + 64 + 3, abs=1)


def test_only_what_nothing_else_reads_is_worked_on_in_place():
    lr, wide, relu, out = ("lr", 3), ("wide", 64), ("relu", 64), ("out", 3)
    assert of(("Conv2D", [lr], wide), ("ReLU", [wide], relu)) == pytest.approx(67, abs=4)
    steps = [("Conv2D", [lr], wide), ("ReLU", [wide], relu), ("Add", [relu, wide], out)]
    assert of(*steps) == pytest.approx(131, abs=4)


def test_larger_pictures_inside_count_as_such():
    nodes, density = chain(("Conv2D", [("lr", 3)], ("large", 16)))
    density[id(nodes[0].outputs[0])] = 4
    assert memory.bytes_per_pixel(nodes, density, 2) >= 4 * 16 * 4 * memory.SLACK


def test_halves_count_half():
    pytest.importorskip("ml_dtypes")  # bfloat16, which Keras imports

    def of_type(dtype):
        nodes, density = chain(("Conv2D", [("lr", 8)], ("wide", 64)))
        for node in nodes:
            for tensor in (*node.input_tensors, *node.outputs):
                tensor.dtype = dtype
        return memory.bytes_per_pixel(nodes, density, 1) - 36

    assert np.isclose(of_type("float16") * 2, of_type("float32"), atol=2)
    assert np.isclose(of_type("bfloat16") * 2, of_type("float32"), atol=2)
