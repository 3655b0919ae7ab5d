import keras
import numpy as np
import pytest

from tests.helpers.exported import randomized
from wdsr_tf.errors import InputError
from wdsr_tf.export.form import Form
from wdsr_tf.models import create_model

pytest.importorskip("tensorflow")
interpreter = pytest.importorskip("ai_edge_litert.interpreter")

from wdsr_tf.export import litert  # noqa: E402  (TensorFlow may be missing)
from wdsr_tf.export.export import Export  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("LiteRT needs TensorFlow", allow_module_level=True)

TILE = 24


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Returns (path, card, model) of a network with SELU and pixel shuffles."""
    keras.utils.set_random_seed(0)
    model = randomized(create_model("espcn-7", 2, num_filters=4))
    folder = tmp_path_factory.mktemp("litert")
    card = Export(model, "small", Form(tile=(TILE, TILE))).write("litert", folder)
    return folder / card["file"], card, model


def test_the_model_has_builtin_operators_only_and_native_pixel_shuffles(exported):
    names = {op["op_name"] for op in interpreter.Interpreter(model_path=str(exported[0]))._get_ops_details()}
    assert "DEPTH_TO_SPACE" in names and "CONV_2D" in names
    assert not [name for name in names if name.startswith("Flex") or name == "CUSTOM"]


def test_the_signature_names_input_and_output(exported):
    signatures = interpreter.Interpreter(model_path=str(exported[0])).get_signature_list()
    assert signatures == {"serving_default": {"inputs": ["lr"], "outputs": ["sr"]}}


def test_tiling_by_the_card_equals_the_whole_image(exported):
    path, card, model = exported
    run, tile, overlap, scale = litert.opened(path), card["tile"][0], card["overlap"], card["scale"]
    lr = np.random.default_rng(0).integers(0, 256, (41, 30, 3)).astype("float32")
    sr = np.empty((41 * scale, 30 * scale, 3), "float32")
    for top, rows in spans(41, tile, overlap):
        for left, columns in spans(30, tile, overlap):
            part = run(lr[None, top : top + tile, left : left + tile])[0]
            vertical, horizontal = (slice(scale * kept[0], scale * (kept[-1] + 1)) for kept in (rows, columns))
            kept = part[vertical.start - scale * top : vertical.stop - scale * top]
            sr[vertical, horizontal] = kept[:, horizontal.start - scale * left : horizontal.stop - scale * left]
    np.testing.assert_allclose(sr, keras.ops.convert_to_numpy(model(lr[None]))[0], atol=5e-3)


def spans(length, tile, overlap):
    """Yields (start, kept positions) of tiles of one length; the last tile ends with the image."""
    low = 0
    while low < length:
        start = min(max(0, low - overlap), length - tile)
        high = length if start == length - tile else start + tile - overlap
        yield start, range(low, high)
        low = high


def test_an_error_of_the_converter_is_reported_in_a_sentence(exported, tmp_path, monkeypatch):
    monkeypatch.setattr("tensorflow.lite.TFLiteConverter.from_saved_model", lambda *_, **__: Broken())
    with pytest.raises(InputError, match=r"can't write espcn-7 with builtin operators only: tf\.Odd"):
        litert.write(exported[2], tmp_path / "x.tflite", Form(tile=(TILE, TILE)))


class Broken:
    class target_spec:  # noqa: N801  (the converter's own name)
        supported_ops = ()

    def convert(self):
        raise RuntimeError("tf.Odd is neither a custom op nor a flex op")
