import importlib.util

import keras
import pytest
from PIL import Image

from tests.helpers.exported import randomized
from wdsr_tf.models import create_model

pytest.importorskip("tensorflow")
if keras.config.backend() != "tensorflow":
    pytest.skip("exports are compared with Keras on TensorFlow", allow_module_level=True)

from wdsr_tf.export import formats
from wdsr_tf.export.export import Export
from wdsr_tf.export.form import Form
from wdsr_tf.export.parity import draw
from wdsr_tf.export.report import losses

MARKS = {"openvino": [pytest.mark.slow]}
INT8 = [
    pytest.param(name, marks=MARKS.get(name, [])) for name, each in formats.FORMATS.items() if each.int8 is not None
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(2):
        Image.fromarray(draw(160, 130 + i)).save(folder / f"{i}.png")
    return folder


@pytest.mark.parametrize(
    "form", [{}, {"layout": "nchw", "value_range": "0..1", "tile": (32, 40)}], ids=["nhwc", "nchw"]
)
@pytest.mark.parametrize("name", INT8)
def test_an_int8_export_is_smaller_and_says_what_it_costs(tmp_path, pictures, name, form):
    packages = formats.FORMATS[name].packages | formats.FORMATS[name].int8
    if not all(map(importlib.util.find_spec, packages)):
        pytest.skip(f"needs {', '.join(packages.values())}")
    keras.utils.set_random_seed(0)
    model = randomized(create_model("wdsr-a", 2, num_filters=16, num_res_blocks=2))
    exact = Export(model, "x", Form(**form)).write(name, tmp_path / "float32")
    card = Export(model, "x", Form(precision="int8", **form), calibration=pictures).write(name, tmp_path)
    assert card["precision"] == "int8" and card["bytes"] < exact["bytes"]
    assert card["int8"]["calibration"] == f"{pictures} (2)" and -1 < card["int8"]["loss"] < 1
    assert card["parity"]["pictures"]["drawn"]["mean"] > 1e-3  # it isn't float32
    (line,) = losses([card, exact])
    assert line.startswith(f"{card['file']}: int8 costs {card['int8']['loss']:.3f} dB of PSNR on the images {pictures}")


def test_a_loss_above_the_limit_is_named():
    card = {"file": "x.tflite", "int8": {"loss": 0.3, "limit": 0.1, "calibration": "demo (2)"}}
    assert list(losses([card])) == ["x.tflite: int8 costs 0.300 dB of PSNR on the images demo (2), more than 0.10."]


def test_the_sentence_in_the_file_says_range_layout_and_scale(tmp_path):
    from tensorflow.lite.tools.flatbuffer_utils import read_model

    pytest.importorskip("ai_edge_litert")
    model = create_model("espcn", 2, num_filters=4)
    card = Export(model, "x", Form(value_range="0..1", tile=(24, 32))).write("litert", tmp_path)
    said = read_model(str(tmp_path / card["file"])).description.decode()
    assert said.startswith("espcn x2. Takes one image of 24 x 32 pixels") and "RGB in 0..1, NHWC, float32" in said


def test_the_ir_of_openvino_has_the_description_in_its_rt_info(tmp_path):
    pytest.importorskip("openvino")
    from wdsr_tf.system.openvino import load_openvino

    model = create_model("espcn", 2, num_filters=4)
    card = Export(model, "x", Form(layout="nchw")).write("openvino", tmp_path)
    network = load_openvino().Core().read_model(tmp_path / card["file"])
    said = {key: network.get_rt_info(["wdsr_tf", key]).astype(str) for key in ("range", "layout", "colors", "scale")}
    assert said == {"range": "0..255", "layout": "NCHW", "colors": "RGB", "scale": "2"}
    assert network.inputs[0].partial_shape[1].get_length() == 3
