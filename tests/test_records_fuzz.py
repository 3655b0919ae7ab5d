"""Damaged files of our own formats: each is read, made again or refused with a sentence, and nothing else happens.

A process of bounded memory, under an audit hook, damages and reads them; see `tests/helpers/read_records.py`.
"""

import json
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("resource")

PEAK = 2**30
MAX_MESSAGE = 4000  # letters, paths included; one message may list several files
COUNTS = {"arrays": 450, "dataset": 450, "store": 600, "run": 550, "journal": 350, "engine": 300, "caches": 300}


def outcomes(folder, name, count):
    """What became of each damaged file; fails if the process died or a person's file was touched."""
    run = [sys.executable, "-m", "tests.helpers.read_records", str(folder), name, str(count)]
    answer = subprocess.run(run, cwd=REPOSITORY, text=True, capture_output=True)
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert answer.returncode == 0, f"died of {lines[-2:]}: {answer.stderr[-2000:]}"
    assert lines[-1]["peak"] <= PEAK
    return lines[1:-1:2]


def check(results):
    assert [result for result in results if result.keys() - {"read", "error"}] == []
    for message in (result["error"] for result in results if "error" in result):
        assert len(message) <= MAX_MESSAGE and all(line.isprintable() for line in message.splitlines()), message


@pytest.mark.parametrize("name", ["store", "run"])
def test_some_damaged_files_of_ours_are_read_or_refused(tmp_path, name):
    check(outcomes(tmp_path / name, name, 25))


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_damaged_files_of_ours_are_read_or_made_again_or_refused(tmp_path, name):
    results = outcomes(tmp_path / name, name, COUNTS[name])
    check(results)
    # If hardly one was read or made again, the damage would be too wild to prove anything.
    assert sum("read" in result for result in results) > len(results) / 20
