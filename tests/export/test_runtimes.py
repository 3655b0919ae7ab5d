"""Tests that exports use what other runtimes can run; `python -m release.runtimes` runs them there."""

import json
import re

import keras
import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers.exported import VARIANTS, randomized, small
from wdsr_tf import weights
from wdsr_tf.export.form import Form
from wdsr_tf.models import create_model, get_architecture, list_models

onnx = pytest.importorskip("onnx")

from release import runtimes  # noqa: E402  (onnx may be missing)
from wdsr_tf.export.onnx import to_onnx  # noqa: E402

ON_SHAPES = {"Expand", "Gather", "Mod", "Range", "Shape"}  # nodes that compute with shapes, which few runtimes run
TILE = (40, 44)


def nodes(network):
    return {node.op_type for node in network.graph.node}


def orders(network):
    return {a.s for node in network.graph.node for a in node.attribute if a.name == "mode" and "Depth" in node.op_type}


@pytest.mark.parametrize("name", sorted(set(list_models()) - {"cunet", "upcunet", "dcscn"}))
def test_borders_of_images_of_any_size_need_no_arithmetic_on_shapes(name):
    network = to_onnx(create_model(name, get_architecture(name).scales[-1], **small(name)))
    assert not nodes(network) & ON_SHAPES


@pytest.mark.parametrize("name, scale, how", [(n, get_architecture(n).scales[0], {}) for n in list_models()] + VARIANTS)
def test_a_fixed_tile_leaves_no_arithmetic_on_shapes_in_any_network_and_shuffles_in_one_order(name, scale, how):
    keras.utils.set_random_seed(0)
    network = to_onnx(create_model(name, scale, **small(name) | how), Form(tile=TILE))
    assert not nodes(network) & ON_SHAPES
    assert orders(network) <= {b"CRD"}


@pytest.mark.parametrize("path", sorted(weights.FOLDER.glob("*.onnx")), ids=lambda path: path.stem)
def test_the_bundled_models_have_the_form_that_all_runtimes_run(path):
    network = onnx.load(path)
    assert network.opset_import[0].version == 13 and network.ir_version == 7
    assert not nodes(network) & ON_SHAPES and orders(network) <= {b"CRD"}
    said = {prop.key: prop.value for prop in network.metadata_props}
    assert (said["range"], said["layout"], said["colors"], said["scale"]) == ("0..255", "NHWC", "RGB", path.stem[-1])
    assert "RGB in 0..255, NHWC" in network.doc_string


def test_the_document_has_the_measured_table_with_seven_networks_in_six_runtimes_within_the_limit():
    figures = json.loads(runtimes.FIGURES.read_text(encoding="utf-8"))
    assert "\n".join(runtimes.table(figures["networks"])) in runtimes.DOCUMENT.read_text(encoding="utf-8")
    assert len(figures["networks"]) == 7 and len(runtimes.RUNTIMES) == 6
    for row in figures["networks"].values():
        assert row.keys() == {runtime.title for runtime in runtimes.RUNTIMES}
        assert all(isinstance(worst, float) and worst <= runtimes.LIMIT for worst in row.values())


@pytest.mark.parametrize("form", [Form(), Form(layout="nchw", value_range="0..1", tile=TILE)], ids=["any", "tile"])
@pytest.mark.parametrize("name", ["wdsr-a", "wdsr-b", "edsr", "carn", "espcn", "srvgg", "rrdbnet"])
def test_opencv_equals_keras(tmp_path, name, form):
    cv2 = pytest.importorskip("cv2", reason="needs opencv-python-headless")
    keras.utils.set_random_seed(0)
    model = randomized(create_model(name, get_architecture(name).scales[-1], **small(name)))
    (tmp_path / "x.onnx").write_bytes(to_onnx(model, form).SerializeToString())
    lr = np.random.default_rng(0).integers(0, 256, (1, *TILE, 3)).astype("float32")
    network = cv2.dnn.readNetFromONNX(str(tmp_path / "x.onnx"))
    network.setInput(np.ascontiguousarray(form.fed(lr)))
    expected = keras.ops.convert_to_numpy(model(lr))
    assert np.abs(form.returned(network.forward()) - expected).max() <= runtimes.LIMIT * max(1, np.ptp(expected) / 255)


def test_the_first_lines_of_the_document_say_the_range():
    first = (REPOSITORY / "docs" / "export.md").read_text(encoding="utf-8")[:400]
    assert re.search(r"RGB in 0\.\.255", first)
