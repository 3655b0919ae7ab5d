import ast
import re
import tomllib

import pytest

from tests.conftest import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA = ["environment-cpu.yml", "environment-gpu.yml"]
NEEDS_KERAS = re.compile(
    r"(keras|tensorflow|wdsr_tf\.(models|layers|losses|checkpoint|training|export|inference\.engines\.keras)"
    r"|tests\.helpers\.(exported|gradients|networks|runs))\b"
)


def name(requirement):
    """`tensorflow[and-cuda]>=2.21` -> `tensorflow`, spelled as package indexes compare names."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def lines(file):
    """The lines of a file without comments."""
    text = (REPOSITORY / file).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def pins(file):
    """Name -> version; every line has to be `name==version`."""
    found = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line) for line in lines(file)]
    assert all(found), f"{file} pins every line"
    return {name(match[1]): match[2] for match in found}


def version(text):
    return [int(part) for part in text.split(".")]


def conda(file):
    """The plain entries of a conda file, and what it hands to pip."""
    plain, pip = [], []
    for line in lines(file):
        indent, dash, entry = line.partition("- ")
        if dash and entry != "pip:":
            (pip if len(indent) > 2 else plain).append(entry)
    return plain, pip


def test_the_light_install_is_what_upscaling_needs():
    assert sorted(map(name, PROJECT["dependencies"])) == ["absl-py", "numpy", "onnxruntime", "pillow", "tqdm"]


def test_the_extra_all_has_every_extra_for_users_of_one_machine():
    (all_of_them,) = EXTRAS["all"]
    listed = re.fullmatch(r"wdsr-tf\[(.*)\]", all_of_them)[1].split(",")
    assert set(listed) == EXTRAS.keys() - {"all", "ray", "jax", "dev", "docs"}


def test_every_requirement_is_pinned_at_a_version_that_it_allows():
    pinned = pins("constraints.txt")
    for requirement in PROJECT["dependencies"] + [r for extra in EXTRAS.values() for r in extra]:
        if name(requirement) == "wdsr-tf":
            continue
        assert name(requirement) in pinned
        least = requirement.partition(">=")[2]
        assert not least or version(pinned[name(requirement)]) >= version(least)


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-tfa.txt"])
def test_each_package_is_pinned_once(file):
    assert len(pins(file)) == len(lines(file))


@pytest.mark.parametrize("file", CONDA)
def test_conda_installs_the_project_with_every_extra_at_the_pinned_versions(file):
    _, pip = conda(file)
    assert pip[:2] == ["-c constraints.txt", "-e .[all,dev,docs]"]


def test_conda_files_differ_only_in_cuda():
    cpu, gpu = map(conda, CONDA)
    assert gpu == (cpu[0], [*cpu[1], "tensorflow[and-cuda]"])
    pinned = pins("constraints.txt")
    assert {"nvidia-cudnn-cu12", "nvidia-cublas-cu12", "nvidia-cuda-runtime-cu12"} <= pinned.keys()


def test_conda_and_make_use_a_python_that_the_project_supports():
    least, below = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()
    supported = range(int(least), int(below))
    for file in CONDA:
        python = next(entry for entry in conda(file)[0] if entry.startswith("python"))
        assert int(python.removeprefix("python=3.")) in supported
    assert f"\t$(call make_venv,.venv,{supported[0]},{supported[-1]})" in lines("Makefile")
    assert f"\t$(call make_venv,.venv-jax,{supported[0]},{supported[-1]})" in lines("Makefile")
    listed = [entry for entry in PROJECT["classifiers"] if "Python :: 3." in entry]
    assert listed == [f"Programming Language :: Python :: 3.{minor}" for minor in supported]


def test_make_installs_the_project_with_every_extra():
    installed = "\t.venv/bin/python -m pip install --quiet -c constraints.txt -e '.[all,dev,docs]'"
    assert installed in lines("Makefile")


def test_the_jax_environment_has_what_training_needs_with_jax_in_the_place_of_tensorflow():
    jax = set(map(name, EXTRAS["jax"]))
    assert {"jax", "jaxlib"} <= jax and "tensorflow" not in jax
    assert jax - {"jax", "jaxlib"} <= set(map(name, EXTRAS["train"]))


def imported(file):
    """The modules that a file imports anywhere, and the names that it imports from them."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_what_make_test_jax_leaves_out_imports_nothing_of_keras():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (left_out,) = re.findall(r"^NO_KERAS = (.*)$", makefile, flags=re.M)
    for path in (REPOSITORY / word for word in left_out.split()):
        files = [path] if path.is_file() else list(path.rglob("test_*.py"))
        assert files, f"{path} has no tests"
        for file in files:
            assert [module for module in imported(file) if NEEDS_KERAS.match(module)] == [], file


def test_the_tensorflow_addons_environment_has_the_versions_that_the_design_names():
    pinned = pins("constraints-tfa.txt")
    assert pinned["tensorflow"] == "2.15.1" and pinned["keras"] == "2.15.0" and pinned["tensorflow-addons"] == "0.23.0"
    assert version(pinned["numpy"])[0] == 1
