import json
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from wdsr_tf.errors import InputError
from wdsr_tf.export import card as cards
from wdsr_tf.models import create_model

FACTS = {
    "title": "small | x2",
    "description": "Upscales photographs.",
    "license": "Apache-2.0",
    "training_data": "24 drawn pictures",
    "command": ["python train.py", "python bench.py"],
    "seconds": 7200,
    "jpeg": [50, 95],
    "figures": {"Set5": {"psnr": 36.9, "ssim": 0.955, "bicubic": 33.69, "protocol": "paper"}},
    "source": "small.npz",
    "sha256": "abc",
    "history": [{"loss": 1}],
    "random_state": {"seed": 1},
}


@pytest.fixture
def model():
    model = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    model.facts = dict(FACTS)
    return model


def test_a_card_contains_what_running_the_network_takes(model):
    card = cards.card(model, "small-x2")
    assert (card["name"], card["architecture"], card["scale"]) == ("small-x2", "wdsr-a", 2)
    assert card["parameters"] == model.count_params()
    assert card["receptive_field"] == {"radius": 4, "multiple": 1, "global_mean": False}
    assert card["input"] == {"layout": "NHWC", "channels": "RGB", "range": [0, 255], "dtype": "float32"}
    assert card["hyperparameters"]["num_filters"] == 4 and card["versions"].keys() == {"wdsr_tf", "keras"}


def test_a_card_contains_the_source_of_the_weights_but_not_their_training_history(model):
    card = cards.card(model)
    assert {key: card[key] for key in ("title", "license", "figures", "command")} == {
        key: FACTS[key] for key in ("title", "license", "figures", "command")
    }
    assert card["source"] == {"file": "small.npz", "sha256": "abc"}
    assert "history" not in json.dumps(card) and "random_state" not in json.dumps(card)


def test_unknown_entries_are_left_out():
    card = cards.card(create_model("espcn", 3, num_filters=4))
    assert (card["name"], card["title"], card["license"]) == ("espcn-x3", "espcn x3", "not stated")
    assert not card.keys() & {"figures", "training_data", "source", "description"}


def test_reading_a_written_card_returns_it(model, tmp_path):
    card = cards.card(model)
    cards.write(card, tmp_path / "small.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.onnx.json", "small.onnx.md"]
    assert cards.read(tmp_path / "small.onnx.json") == card


@pytest.mark.parametrize("text", ["", "[]", "[" * 10**5, '{"format_version": 99}'])
def test_a_file_that_is_not_a_card_is_refused(tmp_path, text):
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(InputError, match=r"odd\.json: not a model card"):
        cards.read(tmp_path / "odd.json")


def test_markdown_contains_the_entries_of_the_card(model):
    text = cards.markdown(cards.card(model))
    assert text.startswith("# small | x2\n\nUpscales photographs.\n")
    for line in (
        "| receptive field | 4 LR pixels on each side |",
        "| trained in | 2.0 hours |",
        "| removes JPEG artifacts | of quality 50 to 95 |",
        "| Set5 | 36.90 | 0.9550 | 33.69 | paper |",
        "python train.py\npython bench.py",
    ):
        assert line in text


def test_markdown_mentions_means_over_the_input_and_tile_positions():
    text = cards.markdown(cards.card(create_model("upcunet", 2)))
    assert "19 LR pixels on each side, and means over the whole input" in text
    assert "| tile positions | multiples of 2 LR pixels |" in text


def test_reading_cards_imports_no_keras():
    code = "import sys; from wdsr_tf.export import card; print({'keras', 'numpy', 'tensorflow'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "set()"
