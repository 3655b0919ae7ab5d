"""The installed command, and the entry points at the top of the repository."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.helpers.commands import runner
from wdsr_tf import __version__
from wdsr_tf.commands.main import VERBS, main

VERBS_AND_MODES = [
    *[[verb] for verb in VERBS.members if verb != "convert"],
    *[["convert", mode] for mode in ("numpy", "jpeg", "pairs", "sqlite", "weights", "export")],
]


@pytest.fixture
def run(capsys):
    return runner(main, capsys)


def python(*words):
    return subprocess.run([sys.executable, *words], cwd=REPOSITORY, capture_output=True, text=True)


def test_verbs_are_listed(run):
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    listed = [line.split()[0] for line in done.stdout.splitlines() if line[:2] == "  " and line[2] != " "]
    assert listed == ["upscale", "train", "bench", "convert", "export", "interpolate", "report", "doctor"]


def test_the_version_is_printed(run):
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"wdsr-tf {__version__}\n")


def test_without_arguments_the_command_takes_those_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["wdsr-tf", "--version"])
    assert main() == 0 and capsys.readouterr().out == f"wdsr-tf {__version__}\n"


@pytest.mark.parametrize("words", VERBS_AND_MODES, ids=" ".join)
def test_help_lists_the_flags_of_a_verb_and_no_others_with_hyphens(run, words):
    done = run(*words, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: wdsr-tf {' '.join(words)} [FLAGS]")
    assert run(*words, "-h").stdout == done.stdout
    member = VERBS
    for word in words:
        member = member._member(word)
    spelled = {
        part.split()[0].replace("[no-]", "").rstrip(",")
        for line in done.stdout.splitlines()
        if line.startswith("  -")
        for part in line.split("  ")[1].split(", ")
    }
    flags = [flag for flag, _ in member.flags().described()]
    names = {f"--{flag.name.replace('_', '-')}" for flag in flags} | {f"-{flag.short_name}" for flag in flags}
    assert spelled == (names | {"-h", "--help"}) - {"-None"}
    for _, sentence in member.flags().described():
        assert sentence.endswith((".", ")")) and sentence[0] not in " ", sentence


def test_help_imports_nothing_heavy():
    code = f"""
import json, sys
from wdsr_tf.commands.main import main
for words in {[[], *VERBS_AND_MODES, ["convert"]]!r}:
    assert main([*words, "--help"]) == 0
heavy = sorted({{"keras", "tensorflow", "jax", "onnxruntime", "openvino", "numpy", "PIL"}} & sys.modules.keys())
print(json.dumps(heavy), file=sys.stderr)
"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stderr) == []


@pytest.mark.parametrize(
    "words, usage",
    [
        (["convert.py"], "convert.py MODE [FLAGS]"),
        (["bench.py"], "bench.py [FLAGS] [NAME=FILE ...]"),
        (["-m", "wdsr_tf"], "wdsr-tf VERB [FLAGS]"),
    ],
    ids=["convert.py", "bench.py", "python -m wdsr_tf"],
)
def test_an_entry_point_starts(words, usage):
    done = python("-X", "importtime", *words, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"Usage: {usage}\n")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "absl" in imported and not imported & {"keras", "tensorflow", "numpy", "PIL"}
    assert python(*words, "--nonsense").returncode == 1


def test_the_modes_are_started_by_either_name(run, tmp_path):
    missing = tmp_path / "missing"
    for words in (["convert", "numpy", "-i", missing, "-o", "x"], ["convert", "-i", missing, "-o", "x", "numpy"]):
        done = run(*words)
        assert done.returncode == 1 and done.stderr.startswith("wdsr-tf convert numpy: ")
        assert str(missing) in done.stderr
    assert not os.path.lexists("x")
