import pytest
from PIL import Image

from wdsr_tf.models import create_model
from wdsr_tf.training.callbacks import Keep, SaveCheckpoints
from wdsr_tf.training.run import Run


@pytest.fixture
def run(tmp_path):
    return Run.start(tmp_path, [])


def saving(run, **how):
    """What saves checkpoints of a tiny network to `run`; `how` goes to `Keep`, and `rows` is the history before."""
    rows = how.pop("rows", [])
    model = create_model("wdsr-a", 2, num_filters=2, num_res_blocks=1)
    model.compile(optimizer="sgd", loss="mae")
    callback = SaveCheckpoints(run, Keep(**how), rows)
    callback.set_model(model)
    return callback


def after_epochs(run, psnrs, **how):
    """The names of the checkpoints that are there behind epochs with these `psnrs`."""
    callback = saving(run, **how)
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


def test_an_epoch_that_is_not_finite_is_neither_ranked_nor_resumed_from(run):
    assert after_epochs(run, [float("nan")]) == []
    assert not run.state.exists()


def test_a_kill_between_state_and_checkpoint_costs_nothing(run):
    (checkpoint,) = after_epochs(run, [30.0])
    (run.models / checkpoint).unlink()
    run.history.unlink()
    run.curve.unlink()
    saving(run, rows=[{"epoch": 1, "val_psnr": 30.0}]).on_train_begin()
    assert names(run) == [checkpoint]
    assert (run.models / checkpoint).read_bytes() == run.state.read_bytes()
    assert run.history.read_text().splitlines() == ["epoch,val_psnr", "1,30.0"]
    with Image.open(run.curve) as picture:
        assert picture.size == (960, 720)


@pytest.mark.parametrize("how", [{"after_epoch": 1}, {"best_only": True, "best": 31.0}])
def test_what_was_not_wanted_before_a_kill_is_not_made_behind_it(run, how):
    saving(run, rows=[{"epoch": 1, "val_psnr": 30.0}], **how).on_train_begin()
    assert names(run) == []
