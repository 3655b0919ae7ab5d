import json

import numpy as np
import pytest

import wdsr_tf
from tests.evaluation.test_networks import write_srcnn
from tests.helpers.commands import runner
from wdsr_tf import checkpoint
from wdsr_tf.commands.main import main
from wdsr_tf.errors import InputError
from wdsr_tf.files import sha256

pytestmark = pytest.mark.usefixtures("empty_cache")


def network(seed, **facts):
    import keras

    keras.utils.set_random_seed(seed)
    model = wdsr_tf.create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    model.facts = facts
    return model


def test_every_weight_lies_between_those_of_the_models():
    a, b = network(1), network(2)
    between = wdsr_tf.interpolate(a, b, 0.25)
    for found, first, second in zip(between.get_weights(), a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(found, 0.75 * first + 0.25 * second, rtol=1e-6, atol=1e-9)
    for alpha, end in ((0, a), (1, b)):
        ends = zip(wdsr_tf.interpolate(a, b, alpha).get_weights(), end.get_weights(), strict=True)
        assert all((found == expected).all() for found, expected in ends)


def test_statistics_that_are_not_trained_are_interpolated_too():
    models = [wdsr_tf.create_model("drrn", 2, num_filters=4, num_units=1, batch_norm=True) for _ in range(2)]
    for model, value in zip(models, (1.0, 3.0), strict=True):
        model.non_trainable_variables[0].assign(np.full(model.non_trainable_variables[0].shape, value))
    assert (np.asarray(wdsr_tf.interpolate(*models, 0.5).non_trainable_variables[0]) == 2.0).all()


def test_the_command_writes_a_checkpoint_that_says_what_it_was_made_of(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint.save(network(1, license="MIT", epoch=3, history=[{"psnr": 30.0}]), "a.keras")
    checkpoint.save(network(2), "b.keras")
    run = runner(main, capsys)("interpolate", "a.keras", "b.keras", "--alpha", "0.8", "-o", "c.keras")
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "c.keras: wdsr-a x2, 0.2 of a.keras and 0.8 of b.keras"
    assert checkpoint.read_config("c.keras")["facts"] == {
        "interpolation": {
            "alpha": 0.8,
            "first": {"source": "a.keras", "sha256": sha256(tmp_path / "a.keras"), "license": "MIT"},
            "second": {"source": "b.keras", "sha256": sha256(tmp_path / "b.keras")},
        },
        "license": "MIT and not stated",
    }
    x = np.random.default_rng(0).uniform(0, 255, (1, 8, 9, 3)).astype("float32")
    expected = wdsr_tf.interpolate("a.keras", "b.keras", 0.8)
    np.testing.assert_array_equal(wdsr_tf.load("c.keras")(x), expected(x))


def test_published_files_are_taken_like_checkpoints(tmp_path):
    write_srcnn(tmp_path / "srcnn.npz")
    found = wdsr_tf.interpolate(tmp_path / "srcnn.npz", tmp_path / "srcnn.npz", 0.5, scale=3)
    assert (found.architecture, found.scale) == ("srcnn", 3)
    assert json.loads(json.dumps(found.facts))["interpolation"]["first"]["source"] == "srcnn.npz"


def test_models_that_differ_in_more_than_weights_are_refused_by_name(tmp_path):
    wider = wdsr_tf.create_model("wdsr-a", 2, num_filters=8, num_res_blocks=1)
    checkpoint.save(network(1), tmp_path / "narrow.keras")
    checkpoint.save(wider, tmp_path / "wide.keras")
    expected = r"narrow\.keras has \{'num_filters': 4\}, and wide\.keras has \{'num_filters': 8\}\."
    with pytest.raises(InputError, match=expected):
        wdsr_tf.interpolate(tmp_path / "narrow.keras", tmp_path / "wide.keras", outfile=tmp_path / "c.keras")
    assert not (tmp_path / "c.keras").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.keras", "a.keras", "-o", "a.keras"], "a.keras is one of the models"),
        (["a.keras", "a.keras", "-o", "c.pth"], "c.pth: The result is a checkpoint"),
        (["a.keras", "-o", "c.keras"], "Name two models, such as psnr.keras gan.keras; given: a.keras"),
        (["a.keras", "a.keras"], "Missing -o"),
        (["a.keras", "a.keras", "--alpha", "1.5", "-o", "c.keras"], "alpha"),
        (["a.keras", "absent.keras", "-o", "c.keras"], "absent.keras"),
    ],
)
def test_mistakes_are_explained_before_anything_is_written(tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    checkpoint.save(network(1), "a.keras")
    before = sha256(tmp_path / "a.keras")
    run = runner(main, capsys)("interpolate", *words)
    assert run.returncode == 1 and message in run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.keras"] and sha256(tmp_path / "a.keras") == before
