import dataclasses
import json
import random
import time

import pytest

from tests.helpers.commands import runner
from wdsr_tf.commands.main import main
from wdsr_tf.distributed.report import report
from wdsr_tf.errors import InputError
from wdsr_tf.inference.journal import FOLDER, Journal, Outcome, Record

DONE = Record("", "x", "", "y", ("m",), "o", pixels=500_000, seconds=2.0)


def journal_of(out, *outcomes, run="r", shard="0/1", kept=0, start=1000.0):
    """A journal with images 0.png, 1.png, ... that end every two seconds; results are files."""
    out.mkdir(exist_ok=True)
    with Journal(out, run) as journal:
        journal.begin(shard, len(outcomes) + kept, kept)
        for number, outcome in enumerate(outcomes):
            row = {"target": f"{number}-sr.png", "source": f"{number}.png", "outcome": outcome}
            row |= {"run": run, "time": start + 2 * (number + 1)}
            row |= {} if outcome == Outcome.DONE else {"target_sha256": "", "pixels": 0, "error": f"{number}.png: bad"}
            journal.add(dataclasses.replace(DONE, **row))
            if outcome == Outcome.DONE:
                (out / row["target"]).touch()


@pytest.fixture
def run(capsys):
    return runner(main, capsys)


def test_every_image_counts_once_by_its_latest_line(tmp_path, run):
    out = tmp_path / "out"
    journal_of(out, "done", "failed", "skipped", "quarantined", "done")
    found = report(out)
    assert (found.done, found.failed, found.skipped, found.quarantined, found.lost) == (2, 1, 1, 1, 0)
    assert found.problems[0] == ("failed", "1.png", "1.png: bad") and not found.is_good

    journal_of(out, "done", "done", "done", "done", "done", run="s", kept=3, start=2000.0)
    found = report(out)
    assert (found.done, found.kept, found.repeated, found.problems) == (5, 3, 0, [])
    assert found.pixels == 2_500_000 and found.images_per_second == 0.5 and found.megapixels_per_second == 0.25
    assert run("report", out).returncode == 0


def test_times_that_overlap_count_once_and_pauses_do_not_count(tmp_path):
    for run in "ab":
        with Journal(tmp_path, run) as journal:
            for name, time in (("1", 10.0), ("2", 50.0)):
                row = {"target": f"{run}{name}.png", "time": time + (run == "b"), "run": run}
                journal.add(dataclasses.replace(DONE, **row))
                (tmp_path / row["target"]).touch()
    found = report(tmp_path)
    assert (found.seconds, found.elapsed) == (8.0, 6.0)


def test_a_result_that_is_recorded_and_is_not_there_is_lost(tmp_path, run):
    journal_of(tmp_path / "out", "done", "done")
    (tmp_path / "out/1-sr.png").unlink()
    done = run("report", tmp_path / "out")
    assert done.returncode == 1 and "1 done" in done.stdout and "1 lost" in done.stdout
    assert "Lost: 1.png: 1-sr.png: isn't there" in done.stderr


def test_a_result_that_one_run_made_twice_is_told(tmp_path):
    journal_of(tmp_path, "done")
    journal_of(tmp_path, "done", start=1010.0)
    assert report(tmp_path).repeated == 1


def test_kept_are_those_of_the_latest_run_of_each_shard(tmp_path):
    for shard, kept in (("0/2", 5), ("1/2", 7), ("0/2", 6), ("0/1", 100)):
        journal_of(tmp_path, shard=shard, kept=kept)
        time.sleep(0.002)  # journals have milliseconds
        if shard == "0/2":
            latest = report(tmp_path).kept
    assert latest == 13 and report(tmp_path).kept == 100


def test_lines_that_are_cut_anywhere_are_counted_and_cost_no_other_line(tmp_path, run):
    journal_of(tmp_path, *["done"] * 6)
    (path,) = (tmp_path / FOLDER).iterdir()
    lines, rng = path.read_bytes().splitlines(keepends=True), random.Random(0)
    for _ in range(30):
        victim = rng.randrange(1, len(lines) - 1)
        cut = lines[victim][: rng.randrange(1, len(lines[victim]) - 1)]
        path.write_bytes(b"".join([*lines[:victim], cut + b"\n", *lines[victim + 1 :]]))
        assert (report(tmp_path).broken, report(tmp_path).done) == (1, 5)
        path.write_bytes(b"".join([*lines[:victim], cut, *lines[victim + 1 :]]))  # then the next line is lost, too
        assert (report(tmp_path).broken, report(tmp_path).done) == (1, 4)
    assert "1 lines of the journals can't be read" in run("report", tmp_path).stdout


def test_json_has_what_the_text_has(tmp_path, run):
    journal_of(tmp_path, "done", "failed")
    done = run("report", tmp_path, "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 1 and (said["done"], said["failed"], said["images_per_second"]) == (1, 1, 0.5)
    assert said["problems"] == [{"outcome": "failed", "source": "1.png", "reason": "1.png: bad"}]


def test_a_folder_without_journals_is_named(tmp_path, run):
    with pytest.raises(InputError, match="has no journals"):
        report(tmp_path)
    assert "Name one output folder" in run("report").stderr
