import importlib.util
import json

import numpy as np
import pytest
from PIL import Image

from tests.helpers.networks import golden_model
from wdsr_tf import checkpoint, images
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation.metrics import psnr
from wdsr_tf.importers import carn
from wdsr_tf.importers.tensors import assign
from wdsr_tf.models import create_model

if not all(map(importlib.util.find_spec, ("nncf", "onnx", "openvino"))):
    pytest.skip("needs nncf, onnx and openvino", allow_module_level=True)

from wdsr_tf.export.onnx import to_onnx
from wdsr_tf.inference.engines import open_engine, quantize
from wdsr_tf.system.openvino import load_openvino

SMALL = {
    "wdsr-a": {"num_filters": 8, "num_res_blocks": 2},
    "edsr": {"num_filters": 8, "num_res_blocks": 1},
    "carn-m": {"num_filters": 8},
    "srcnn": {"num_filters": 8},
}


def drawing(height, width, seed=0):
    """Smooth shapes with edges, which a network with fresh weights at least doesn't turn into noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    picture = np.full((height, width, 3), 120.0)
    for _ in range(12):
        center, radius = random.uniform(0, (height, width)), random.uniform(5, 30)
        inside = (y - center[0]) ** 2 + (x - center[1]) ** 2 < radius**2
        picture[inside] = random.uniform(0, 255, 3)
    return picture.astype("uint8")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(2):
        Image.fromarray(drawing(160, 130, seed)).save(folder / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("engines") / "tiny.keras"
    checkpoint.save(create_model("wdsr-a", 2, **SMALL["wdsr-a"]), path)
    return path


def ov_network(model):
    return load_openvino().Core().read_model(to_onnx(model).SerializeToString())


@pytest.mark.parametrize(
    "name, convolutions, sums",
    [
        ("wdsr-a", {"head", "skip_x2", "tail_x2"}, {"body_0_add", "body_1_add", "skip_add"}),
        ("edsr", {"head", "tail"}, {"body_0_add", "body_add"}),
        ("carn-m", {"head", "tail"}, {f"body_{i}_unit_add" for i in range(3)}),
        ("srcnn", {"head", "tail", "enlarged", "luma", "sr"}, {"sr"}),
    ],
)
def test_first_last_and_skip_convolutions_and_sums_stay_in_float(name, convolutions, sums):
    names = quantize.in_float(ov_network(create_model(name, 2, **SMALL[name])))
    found = [name.split("/") for name in names]
    assert {parts[0] for parts in found if any(part.startswith("Conv") for part in parts)} == convolutions
    assert {parts[0] for parts in found if parts[-1].startswith("Add")} == sums


def test_int8_runs_at_any_size_and_records_what_it_costs(tiny, pictures):
    engine = open_engine(tiny, "openvino", "int8", allow_loss=True, calibration=pictures)
    exact = open_engine(tiny, "openvino", "float32")
    lr = drawing(37, 50)[None]
    sr = engine.run(lr)
    assert engine.precision == "int8" and sr.shape == (1, 74, 100, 3) and sr.dtype == "float32"
    error = np.abs(sr - exact.run(lr))
    assert error.max() > 0 and error.mean() < 2  # levels: coarse, but the same picture
    (sidecar,) = tiny.with_suffix(".engines").glob("*-int8-*/engine.json")
    facts = json.loads(sidecar.read_text())
    assert facts["calibration"] == f"{pictures} (2)" and -1 < facts["loss"] < 1
    assert engine.receptive_field == exact.receptive_field


def test_too_large_a_loss_is_refused_with_the_figure(tiny):
    facts = {"loss": 0.1234, "calibration": "demo (2)"}
    with pytest.raises(InputError, match=r"tiny.keras: int8 costs 0.12 dB .* demo \(2\).*--allow-loss"):
        quantize.check_loss(tiny, facts)
    quantize.check_loss(tiny, facts, allow_loss=True)
    quantize.check_loss(tiny, facts | {"loss": 0.0999})


def test_held_back_parts_are_not_in_the_patches(pictures):
    patches, held_back = quantize.samples([pictures / "0.png"], scale=2)
    hr = drawing(160, 130)
    assert len(patches) == quantize.PATCHES and {patch.shape for patch in patches} == {(1, 60, 64, 3)}
    ((lr, part),) = held_back
    assert part.shape == (40, 130, 3) and lr.shape == (20, 65, 3)
    np.testing.assert_array_equal(part, hr[120:])


def test_the_loss_is_the_ratio_of_the_squared_errors():
    def always(level):
        return lambda lr: np.full((1, 8, 10, 3), level)

    pairs = [(np.zeros((4, 5, 3), "uint8"), np.full((8, 10, 3), 100, "uint8"))] * 2
    assert quantize.loss(always(104.0), always(108.0), pairs, 2) == pytest.approx(20 * np.log10(2), abs=1e-3)
    assert quantize.loss(always(100.0), always(100.0), pairs, 2) == 0  # and not undefined


def test_without_images_the_message_asks_for_some(tiny, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="has no images"):
        open_engine(tiny, "openvino", "int8", calibration=tmp_path)
    Image.new("RGB", (20, 12)).save(tmp_path / "small.png")
    with pytest.raises(InputError, match="too small"):
        open_engine(tiny, "openvino", "int8", calibration=tmp_path)
    monkeypatch.setattr(quantize, "DEMO", tmp_path / "absent")
    with pytest.raises(InputError, match="--calibration"):
        open_engine(tiny, "openvino", "int8")


def npz_model(folder, file, name, layout, **hyperparameters):
    """The network in weights/`file`; `layout` maps our layers to the file's."""
    model = create_model(name, 2, **hyperparameters)
    with np.load(folder / "weights" / file) as arrays:
        tensors = dict(arrays)
        assign(model, tensors, lambda tensors, model: {ours: tensors.conv(theirs) for ours, theirs in layout.items()})
    return model


def wdsr_a_8(folder, golden):
    layout = {"head": "head", "tail_x2": "tail", "skip_x2": "skip"}
    for i in range(8):
        layout |= {f"body_{i}_expand": f"body.{i}.0", f"body_{i}_project": f"body.{i}.2"}
    return npz_model(folder, "wdsr_a_8_e6_x2.npz", "wdsr-a", layout, num_res_blocks=8, res_expansion=6)


def edsr_8(folder, golden):
    layout = {"head": "head", "body_out": "body_out", "upsampler_x2_1": "upsample", "tail": "tail"}
    for i in range(8):
        layout |= {f"body_{i}_conv_1": f"body.{i}.0", f"body_{i}_conv_2": f"body.{i}.2"}
    return npz_model(folder, "edsr_8_x2.npz", "edsr", layout, num_res_blocks=8)


def carn_x2(folder, golden):
    model = create_model("carn", 2)
    with np.load(folder / "weights" / "carn_x2.npz") as arrays:
        tensors = dict(arrays)
    assign(model, tensors, carn.official)
    return model


def carn_m(folder, golden):
    return golden_model(golden("carn_m_published")[0], carn.official, "carn-m", 2, multi_scale=True)


@pytest.mark.slow
@pytest.mark.parametrize("build, limit", [(wdsr_a_8, 0.05), (edsr_8, 0.05), (carn_x2, 0.06), (carn_m, 0.10)])
def test_published_models_lose_no_more_than_the_stated_decibels(build, limit, reference, golden, tmp_path):
    checkpoint.save(build(reference, golden), tmp_path / "model.keras")
    photos = reference / "images" / "photos" / "train"
    float32 = open_engine(tmp_path / "model.keras", "openvino")
    int8 = open_engine(tmp_path / "model.keras", "openvino", "int8", calibration=photos)
    for folder in ("Set5", "Set14"):
        figures = []
        for file in sorted((reference / "images" / "benchmark" / folder / "image_SRF_2").glob("*_HR.png")):
            lr, hr = images.read(file.with_name(file.name.replace("_HR", "_LR"))), images.read(file)
            results = [images.rgb_to_y(images.to_uint8(engine.run(lr[None])[0])) for engine in (float32, int8)]
            figures.append([psnr(result, images.rgb_to_y(hr), border=2) for result in results])
        before, after = np.mean(figures, axis=0)
        print(f"{build.__name__} {folder}: float32 {before:.3f} dB, int8 {after:.3f} dB, loss {before - after:.4f} dB")
        assert len(figures) == {"Set5": 5, "Set14": 14}[folder]
        assert before - after <= limit
