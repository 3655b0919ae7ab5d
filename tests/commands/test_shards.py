"""Several processes on one folder: shards, and what their journals say together."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers.commands import runner
from wdsr_tf import images
from wdsr_tf.commands.main import main
from wdsr_tf.inference import upscaler
from wdsr_tf.inference.journal import FOLDER, Record, read

COUNT = 12


@pytest.fixture
def run(capsys):
    return runner(main, capsys)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images, two of which would get one name, and the results of one process."""
    folder = tmp_path_factory.mktemp("shards")
    rng = np.random.default_rng(0)
    for number in range(COUNT - 2):
        images.write(folder / f"in/{number % 3}/{number}.png", rng.integers(0, 256, (8, 9 + number, 3), "uint8"))
    for suffix in ("jpg", "bmp"):
        images.write(folder / f"in/0/0.{suffix}", rng.integers(0, 256, (9, 9, 3), "uint8"))
    assert main(["upscale", "-i", str(folder / "in"), "-o", str(folder / "one")]) == 0
    return folder


def results(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in images.find(out)}


def lines(out):
    return [row for row in read(out) if isinstance(row, Record)]


def test_shards_that_run_at_once_give_the_files_of_one_process_and_make_none_twice(folder, tmp_path, run):
    words = [sys.executable, "-m", "wdsr_tf", "upscale", "-i", folder / "in", "-o", tmp_path / "out"]
    processes = [subprocess.Popen([*words, "--shard", f"{index}/2"], cwd=REPOSITORY) for index in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert results(tmp_path / "out") == results(folder / "one")
    assert len(lines(tmp_path / "out")) == len({row.target for row in lines(tmp_path / "out")}) == COUNT
    assert {path.name for path in (tmp_path / "out").rglob(".*")} == {FOLDER}  # no temporary file is left
    said = run("report", tmp_path / "out", "--json")
    assert said.returncode == 0 and json.loads(said.stdout)["done"] == COUNT


def test_a_shard_neither_sweeps_nor_waits_for_what_another_one_writes(folder, tmp_path, run, monkeypatch):
    write, others = upscaler.write_strips, []

    def interrupted(path, *rest):
        if not others:
            others.append(path)
            assert run("upscale", "-i", folder / "in", "-o", tmp_path, "--shard", "1/2").returncode == 0
        write(path, *rest)
        assert path.is_file()

    monkeypatch.setattr(upscaler, "write_strips", interrupted)
    assert run("upscale", "-i", folder / "in", "-o", tmp_path, "--shard", "0/2", "-j", 1).returncode == 0
    assert results(tmp_path) == results(folder / "one")
    assert len(list((tmp_path / FOLDER).iterdir())) == 2 and len(lines(tmp_path)) == COUNT


def test_a_shard_has_the_same_images_with_any_other_flag(folder, tmp_path, run, monkeypatch):
    monkeypatch.chdir(folder / "in")
    listed = "\n".join(path.relative_to(folder / "in").as_posix() for path in images.find(folder / "in"))
    (tmp_path / "list").write_text(f"{listed}\nmissing.png\n")
    missing = 0
    for index in range(3):
        words = ["upscale", "-o", tmp_path / "out", "--shard", f"{index}/3"]
        dry = run(*words, "-i", ".", "--dry-run")
        planned = re.findall(r"(?m)^.* -> (.*?): \d+ x ", dry.stdout)
        assert dry.returncode == 0 and planned and not (tmp_path / "out" / planned[0]).exists()
        done = run(*words, "--list", tmp_path / "list", "-j", 3, "--check")
        missing += "missing.png" in done.stderr
        assert done.returncode == ("missing.png" in done.stderr)
        assert {row.target for row in lines(tmp_path / "out") if row.outcome == "done"} >= {
            Path(target).relative_to(tmp_path / "out").as_posix() for target in planned
        }
        assert run(*words, "-i", ".").stdout.count("are done already") == 1
    assert missing == 1 and results(tmp_path / "out") == results(folder / "one")
    assert all(row.check == "passed" for row in lines(tmp_path / "out") if row.outcome == "done")
    said = json.loads(run("report", tmp_path / "out", "--json").stdout)
    assert (said["done"], said["kept"], said["failed"], said["repeated"]) == (COUNT, COUNT, 1, 0)


def test_what_is_not_made_is_in_the_journal_with_its_reason(folder, tmp_path, run):
    images.write(tmp_path / "in/a.png", np.zeros((8, 8, 3), "uint8"))
    images.write(tmp_path / "in/b.png", np.zeros((8, 8, 3), "uint8"))
    (tmp_path / "in/c.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    images.write(tmp_path / "out/b-sr.png", np.zeros((8, 8, 3), "uint8"))
    for kept in (0, 1):
        assert run("upscale", "-i", tmp_path / "in", "-o", tmp_path / "out").returncode == 1
        done = run("report", tmp_path / "out")
        assert done.returncode == 1
        assert f"1 done ({kept} of them kept by the latest run), 1 failed, 1 skipped, 0 quarantined" in done.stdout
        assert "Failed: c.png" in done.stderr and "Skipped: b.png" in done.stderr


@pytest.mark.parametrize(
    "words, message",
    [
        (["--shard", "2/2"], "--shard takes I/N"),
        (["--workers", "2"], "--workers needs --ray"),
        (["--gpus-per-worker", "1"], "--gpus-per-worker needs --ray"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(folder, run, words, message):
    done = run("upscale", "-i", folder / "in", *words)
    assert done.returncode == 1 and message in done.stderr and "\n" not in done.stderr.strip()
