import io

import numpy as np
import pytest
from PIL import Image

from wdsr_tf.evaluation import metrics
from wdsr_tf.images.resize import imresize
from wdsr_tf.models import create_model
from wdsr_tf.training.callbacks import Clock, Keep, Progress, SaveCheckpoints, bicubic_psnr
from wdsr_tf.training.run import Run


@pytest.fixture
def run(tmp_path):
    return Run.start(tmp_path, [])


def saving(run, rows=(), **options):
    """A SaveCheckpoints for a tiny network; `rows` is the history before, and `options` go to `Keep`."""
    model = create_model("wdsr-a", 2, num_filters=2, num_res_blocks=1)
    model.compile(optimizer="sgd", loss="mae")
    callback = SaveCheckpoints(run, Keep(**options), rows, Clock(0, None, 5))
    callback.set_model(model)
    return callback


def after_epochs(run, psnrs, **options):
    """The names of the checkpoints after epochs with these `psnrs`."""
    callback = saving(run, **options)
    for epoch, psnr in enumerate(psnrs):
        callback.on_epoch_end(epoch, {"loss": 1.0, "val_psnr": psnr})
    return names(run)


def names(run):
    return sorted(path.name for path in run.models.iterdir())


def test_every_epoch_has_its_checkpoint(run):
    found = after_epochs(run, [30.0, 29.0])
    assert found == ["epoch-001-psnr-30.0000.keras", "epoch-002-psnr-29.0000.keras"]


def test_with_best_only_and_a_first_epoch_the_best_counts_from_that_epoch_on(run):
    found = after_epochs(run, [35.0, 30.0, 29.0, 31.0], best_only=True, after_epoch=1)
    assert found == ["epoch-002-psnr-30.0000.keras", "epoch-004-psnr-31.0000.keras"]


def test_every_nth_checkpoint_is_kept_and_where_psnr_does_not_tell_the_newest_is_the_best(run):
    found = after_epochs(run, [35.0, 30.0, 29.0, 28.0, 27.0], every=2, by_psnr=False)
    assert found == ["epoch-0002.keras", "epoch-0004.keras"]
    assert run.best.name == "epoch-0004.keras"
    (run.models / "epoch-0004-ema.keras").write_bytes(b"")
    assert run.best.name == "epoch-0004-ema.keras"


def test_an_epoch_that_is_not_finite_is_neither_kept_nor_resumed_from(run):
    assert after_epochs(run, [float("nan")]) == []
    assert not run.state.exists()


def test_a_kill_between_state_and_checkpoint_costs_nothing(run):
    (checkpoint,) = after_epochs(run, [30.0])
    (run.models / checkpoint).unlink()
    run.history_file.unlink()
    run.curve.unlink()
    saving(run, rows=[{"epoch": 1, "val_psnr": 30.0}]).on_train_begin()
    assert names(run) == [checkpoint]
    assert (run.models / checkpoint).read_bytes() == run.state.read_bytes()
    assert run.history_file.read_text().splitlines() == ["epoch,val_psnr", "1,30.0"]
    with Image.open(run.curve) as image:
        assert image.size == (960, 720)


@pytest.mark.parametrize("options", [{"after_epoch": 1}, {"best_only": True, "best": 31.0}])
def test_a_checkpoint_that_was_not_kept_before_a_kill_is_not_made_after_it(run, options):
    saving(run, rows=[{"epoch": 1, "val_psnr": 30.0}], **options).on_train_begin()
    assert names(run) == []


def test_without_a_terminal_a_line_comes_after_seconds_and_then_every_half_minute(monkeypatch):
    now, said = [0.0], []
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("sys.stderr", io.StringIO())
    progress = Progress(3, Clock(0, None, 100), 4, said.append)
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    for batch in range(100):
        now[0] = 3.0 + batch  # the first step takes three seconds, the others one
        progress.on_train_batch_end(batch, {"loss": 2.5, "psnr": 30.0})
    assert [line.split(" of ")[0] for line in said] == [f"step {n}/100" for n in (3, 33, 63, 93)]
    assert said[0] == "step 3/100 of epoch 1/3  loss 2.500  psnr 30.00  4 images/s  04:57 left"


def test_the_psnr_of_bicubic_is_the_mean_over_images():
    random = np.random.default_rng(0)
    lr, hr = (random.integers(0, 256, (3, 2, side, side + 1, 3)).astype("uint8") for side in (8, 16))
    hr = np.pad(hr, [(0, 0)] * 3 + [(0, 1), (0, 0)])  # 8 x 9 and 16 x 18 pixels
    expected = [
        metrics.psnr(imresize(one.astype("float32"), 2), other)
        for lrs, hrs in zip(lr, hr, strict=True)
        for one, other in zip(lrs, hrs, strict=True)
    ]
    assert bicubic_psnr(zip(lr, hr, strict=True)) == pytest.approx(np.mean(expected), abs=1e-4)
