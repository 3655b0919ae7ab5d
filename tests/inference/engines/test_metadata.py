import numpy as np
import pytest

from wdsr_tf import weights
from wdsr_tf.inference.engines import metadata
from wdsr_tf.inference.engines.metadata import describe
from wdsr_tf.models import create_model
from wdsr_tf.models.receptive_field import of_graph


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    pytest.importorskip("onnx")
    from wdsr_tf.export.onnx import to_onnx

    model = create_model("wdsr-a", 3, num_filters=4, num_res_blocks=1)
    model.facts = {"source": "noise1_käthe.json"}
    network = to_onnx(model)
    network.metadata_props.add(key="checkpoint_sha256", value="0123")
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    path.write_bytes(network.SerializeToString())
    return model, path


def test_the_metadata_of_our_onnx_files_is_read_without_onnx(exported):
    model, path = exported
    found = describe(path)
    assert (found.architecture, found.scale, found.checkpoint_sha256) == ("wdsr-a", 3, "0123")
    assert found.receptive_field == of_graph(model) and found.facts == model.facts


def test_onnx_runtime_reads_the_same(exported):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(exported[1], providers=["CPUExecutionProvider"])
    props = session.get_modelmeta().custom_metadata_map
    assert (props["architecture"], props["scale"], props["checkpoint_sha256"]) == ("wdsr-a", "3", "0123")


def test_other_onnx_files_and_other_files_are_not_ours(exported, tmp_path):
    import onnx

    network = onnx.load(exported[1])
    del network.metadata_props[:]
    (tmp_path / "plain.onnx").write_bytes(network.SerializeToString())
    (tmp_path / "text.onnx").write_text("no protocol buffer")
    (tmp_path / "empty.onnx").touch()
    for path in (*tmp_path.iterdir(), tmp_path, tmp_path / "absent.onnx", weights.FOLDER / "wdsr-b-4-x2.keras"):
        assert describe(path) is None


def test_damaged_files_are_no_descriptions_and_no_crash(exported, tmp_path):
    whole = exported[1].read_bytes()
    random = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole[: random.integers(len(whole))] if random.random() < 0.5 else whole)
        for place in random.integers(0, len(damaged), 4) if damaged else ():
            damaged[place] = random.integers(256)
        (tmp_path / "damaged.onnx").write_bytes(damaged)
        describe(tmp_path / "damaged.onnx")


@pytest.mark.parametrize(
    "name, value",
    [
        ("scale", "1000000000"),
        ("scale", "-2"),
        ("receptive_field", '{"radius": 1e9}'),
        ("receptive_field", '{"radius": 4, "multiple": 0}'),
        ("receptive_field", '{"radius": 4, "bytes_per_pixel": 0}'),
        ("receptive_field", "[" * 100_000),
        ("facts", "[]"),
        ("architecture", "\x1b[2J"),
    ],
)
def test_what_no_network_is_like_is_no_description(exported, tmp_path, name, value):
    import onnx

    network = onnx.load(exported[1])
    (prop,) = (prop for prop in network.metadata_props if prop.key == name)
    prop.value = value
    (tmp_path / "odd.onnx").write_bytes(network.SerializeToString())
    assert describe(tmp_path / "odd.onnx") is None


def test_a_file_of_endless_fields_is_given_up(tmp_path):
    (tmp_path / "long.onnx").write_bytes(b"\x08\x01" * 10**6)
    with (tmp_path / "long.onnx").open("rb") as file, pytest.raises(ValueError, match="not a protocol buffer"):
        list(metadata._fields(file, 2 * 10**6))
    assert describe(tmp_path / "long.onnx") is None
