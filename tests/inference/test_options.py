"""`upscale_one`, as any process may call it: plain values in, a record out."""

import errno
import json
import os
import pickle

import numpy as np
import pytest

from wdsr_tf import files, images
from wdsr_tf.inference import upscaler
from wdsr_tf.inference.folder import quarantine, state, upscale_one
from wdsr_tf.inference.journal import FOLDER, Journal, Outcome, State, read
from wdsr_tf.inference.options import Options


@pytest.fixture
def options(tmp_path):
    """Of a folder with one image and one that is broken, with the bundled models."""
    images.write(tmp_path / "in/a/one.png", np.random.default_rng(0).integers(0, 256, (9, 12, 3), "uint8"))
    (tmp_path / "in/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return Options(outdir=tmp_path / "out", indir=tmp_path / "in", settings={"scale": 2, "engine": "onnx"})


def test_a_record_says_what_was_made_with_what(options, tmp_path):
    source, target = tmp_path / "in/a/one.png", tmp_path / "out/a/one-sr.png"
    record = upscale_one(source, target, options)
    assert (record.source, record.target, record.outcome, record.error) == ("a/one.png", "a/one-sr.png", "done", "")
    assert (record.source_sha256, record.target_sha256) == (files.sha256(source), files.sha256(target))
    assert len(record.models[0]) == 64 and record.options and record.pixels == 18 * 24 and record.seconds > 0
    assert (record.run, list(read(options.outdir))) == (options.run, [record])


def test_another_process_gets_the_options_without_what_is_open_and_makes_the_same(options, tmp_path):
    source, target = tmp_path / "in/a/one.png", tmp_path / "out/a/one-sr.png"
    first = upscale_one(source, target, options)
    call, copy = pickle.loads(pickle.dumps((upscale_one, options)))
    assert copy.run == options.run and not {"upscaler", "journal"} & vars(copy).keys()
    second = call(str(source), str(tmp_path / "out/copy.png"), copy)
    assert second.target_sha256 == first.target_sha256 and second.cause == first.cause
    assert len(list((tmp_path / "out" / FOLDER).iterdir())) == 2  # each has a journal of its own


def test_a_failure_is_a_record_and_the_image_is_tried_again_by_the_next_run(options, tmp_path):
    source, target = tmp_path / "in/broken.png", tmp_path / "out/broken-sr.png"
    record = upscale_one(source, target, options)
    assert record.outcome == Outcome.FAILED and "truncated" in record.error and record.target_sha256 == ""
    journal = Journal(options.outdir)
    assert journal.state(target) is State.ABSENT and "broken-sr.png" not in journal
    (tmp_path / "out").mkdir(exist_ok=True)
    target.touch()
    assert journal.state(target) is State.FOREIGN  # a record without a result claims no file


def test_a_file_of_other_origin_is_a_failure_and_is_kept(options, tmp_path):
    target = tmp_path / "out/one-sr.png"
    target.parent.mkdir()
    target.write_text("mine")
    record = upscale_one(tmp_path / "in/a/one.png", target, options)
    assert record.outcome == Outcome.FAILED and "isn't a result of this command" in record.error
    assert target.read_text() == "mine"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_no_failure_of_the_image(options, tmp_path, monkeypatch, number):
    def full(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(upscaler, "write_strips", full)
    with pytest.raises(OSError, match=os.strerror(number)):
        upscale_one(tmp_path / "in/a/one.png", tmp_path / "out/one-sr.png", options)
    assert list(read(options.outdir)) == []


def test_a_quarantined_image_is_left_alone_until_it_or_an_option_changes(options, tmp_path):
    source, target = tmp_path / "in/a/one.png", tmp_path / "out/one-sr.png"
    quarantine(source, target, options, "its worker died")
    journal, other = Journal(options.outdir), Options(outdir=options.outdir, settings={"scale": 3, "engine": "onnx"})
    assert state(options.upscaler, journal, source, target) is State.QUARANTINED
    assert state(other.upscaler, journal, source, target) is State.ABSENT
    images.write(source, np.zeros((9, 12, 3), "uint8"))
    assert state(options.upscaler, journal, source, target) is State.ABSENT


@pytest.mark.parametrize("change", [{"outcome": "gone"}, {"error": 3}, {"time": "x"}, {"pixels": -1}, {"run": None}])
def test_a_line_that_says_something_impossible_is_no_record(options, tmp_path, change):
    upscale_one(tmp_path / "in/a/one.png", tmp_path / "out/one-sr.png", options)
    (path,) = (options.outdir / FOLDER).iterdir()
    path.write_text(json.dumps(json.loads(path.read_text()) | change) + "\n")
    assert list(read(options.outdir)) == [None]
