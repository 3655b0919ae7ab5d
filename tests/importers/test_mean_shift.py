import json

import numpy as np
import pytest

from tests.helpers import published
from tests.helpers.networks import assert_equals_golden
from tests.importers.test_import_weights import converted
from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.importers import export_weights
from wdsr_tf.importers.recognize import recognize
from wdsr_tf.inference.engines import open_engine
from wdsr_tf.models import create_model

RANGES = {"edsr x4": 255, "msrn x4": 255, "msrn harish-vnkt": 255, "carn all": 1, "carn-m all": 1}
LR = np.random.default_rng(3).integers(0, 256, (1, 9, 11, 3)).astype("float32")
MATRIX = np.array([[1.03, 0.02, -0.01], [0.0, 0.96, 0.03], [0.02, -0.03, 1.01]], "float32")


def file_of(name):
    """(arrays, what follows the names of the two layers, the range of values)."""
    file = published.EVERY[name]
    module = ".shifter" if any(".shifter" in key for key in file.arrays) else ""
    return file.arrays, module, RANGES[name]


def trained(value_range, module, before=MATRIX, after=MATRIX.T):
    """`sub_mean` and `add_mean` after training: matrices, and different colors."""
    s, a = (
        np.float32(value_range) * np.array(color, "float32") for color in ((-0.45, -0.4, -0.42), (0.44, 0.43, 0.41))
    )
    matrices = [matrix[:, :, None, None] for matrix in (before, after)]
    names = [f"{layer}{module}.{part}" for layer in ("sub_mean", "add_mean") for part in ("weight", "bias")]
    return dict(zip(names, (matrices[0], s, matrices[1], a), strict=True))


def as_pytorch(model, core, shift, value_range, lr):
    """What the authors' code computes: the network between two 1x1 convolutions."""
    before, s, after, a = (array.astype("float64") for array in shift.values())
    scale = 255 / value_range
    shifted = lr / scale @ before[..., 0, 0].T + s
    inner = np.asarray(core(scale * shifted.astype("float32")), "float64") / scale
    return scale * (inner @ after[..., 0, 0].T + a)


def core_of(arrays, scale):
    """The same network without its shifts."""
    inner = {name: array for name, array in arrays.items() if not name.startswith(("sub_mean", "add_mean"))}
    return converted(inner, scale, mean=[0.0, 0.0, 0.0])


@pytest.mark.parametrize("name", [name for name in RANGES if "harish" not in name])
def test_a_trained_shift_is_computed_as_in_pytorch(name, tmp_path):
    arrays, module, value_range = file_of(name)
    shift = trained(value_range, module)
    arrays = arrays | shift
    model = converted(arrays, 4 if "x4" in name else 2)
    expected = as_pytorch(model, core_of(arrays, model.scale), shift, value_range, LR)
    assert_equals_golden(model(LR), expected)
    if name.startswith("edsr"):  # the recipe's list goes through files and exports
        pytest.importorskip("onnx")
        from wdsr_tf.export.onnx import to_onnx

        checkpoint.save(model, tmp_path / "a.keras")
        assert checkpoint.load(tmp_path / "a.keras").recipe == model.recipe
        assert_equals_golden(open_engine(tmp_path / "a.keras", "onnx").run(LR), expected)
        assert to_onnx(model).graph.node


def test_a_trained_shift_of_rcan_is_computed_as_in_pytorch(golden):
    arrays, _ = golden("esrgan_family/rcan_official_x2")
    arrays = {name.removeprefix("w/"): array for name, array in arrays.items() if name.startswith("w/")}
    shift = trained(255, "")
    model = converted(arrays | shift)
    assert_equals_golden(model(LR), as_pytorch(model, core_of(arrays, 2), shift, 255, LR))


def test_a_trained_shift_in_bgr_is_computed_as_in_pytorch():
    arrays, module, value_range = file_of("msrn harish-vnkt")
    shift = trained(value_range, module, after=np.eye(3, dtype="float32"))
    mean = -np.linalg.solve(shift["sub_mean.weight"][..., 0, 0].astype("float64"), shift["sub_mean.bias"])
    shift["add_mean.bias"] = mean.astype("float32")
    model, core = converted(arrays | shift), core_of(arrays, 2)
    in_rgb = as_pytorch(model, lambda bgr: np.asarray(core(bgr[..., ::-1]))[..., ::-1], shift, 255, LR[..., ::-1])
    assert_equals_golden(model(LR), in_rgb[..., ::-1])
    with pytest.raises(InputError, match="add_mean isn't the inverse of sub_mean, and the ReLU before it"):
        converted(arrays | trained(255, ""))


@pytest.mark.parametrize("drift", [1e-6, 1e-4, 0.1])
def test_no_drift_is_ignored(drift):
    arrays, _, value_range = file_of("edsr x4")
    shift = published.mean_shift(value_range)
    shift["sub_mean.bias"] = shift["sub_mean.bias"] * np.float32(1 + drift)
    model = converted(arrays | shift)
    np.testing.assert_allclose(model.hyperparameters["mean"], -shift["sub_mean.bias"], rtol=1e-12)
    assert_equals_golden(model(LR), as_pytorch(model, core_of(arrays, 4), shift, 255, LR))


def test_published_shifts_leave_the_weights_and_the_recipe_as_they_are():
    for name in RANGES:
        arrays, _, _ = file_of(name)
        assert "mean" not in recognize(arrays)[0].hyperparameters


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_shift_rounded_to_16_bits_is_computed_as_it_is(dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    for name in ("edsr x4", "carn-m all"):
        arrays, module, value_range = file_of(name)
        halved = {key: array.astype(kind).astype("float32") for key, array in arrays.items()}
        mean = converted(halved, 4).hyperparameters["mean"]
        np.testing.assert_allclose(mean, halved[f"add_mean{module}.bias"] * 255.0 / value_range, rtol=1e-12)


@pytest.mark.parametrize("model", ["edsr", "carn"])
def test_an_exported_file_has_the_mean_and_is_imported_again(model):
    network = create_model(model, 2, num_filters=64, mean=[100.0, 120.5, 90.25], **EXPORTED[model])
    _, arrays = export_weights.published(network)
    again = converted(arrays, 2, **EXPORTED[model])
    np.testing.assert_allclose(again.hyperparameters["mean"], [100.0, 120.5, 90.25], rtol=1e-6)
    assert_equals_golden(again(LR), network(LR))


EXPORTED = {"edsr": {"num_res_blocks": 1, "variant": "official"}, "carn": {"multi_scale": False}}


@pytest.mark.parametrize(
    "name, wrong, said",
    [
        ("sub_mean.weight", np.zeros((3, 3, 1, 1), "float32"), "sub_mean.weight has no inverse"),
        ("sub_mean.bias", np.full(3, np.nan, "float32"), "sub_mean.bias has values that aren't finite floats"),
        ("add_mean.bias", np.zeros(4, "float32"), r"add_mean.bias has shape \(4,\); expected \(3,\)"),
    ],
)
def test_layers_that_are_not_shifts_are_refused(name, wrong, said):
    with pytest.raises(InputError, match=said):
        converted(file_of("edsr x4")[0] | {name: wrong})


def test_a_mean_that_contradicts_the_file_is_refused():
    with pytest.raises(InputError, match=r"the file's sub_mean subtracts .* which isn't mean=\[1.0, 2.0, 3.0\]"):
        converted(file_of("edsr x4")[0], mean=[1.0, 2.0, 3.0])


@pytest.mark.parametrize("mean", [[1, 2], "gray", [1, 2, float("nan")], 3])
def test_a_mean_that_is_no_color_is_refused(mean):
    with pytest.raises(InputError, match="mean must be three numbers"):
        create_model("edsr", 2, num_filters=4, num_res_blocks=1, mean=mean)


def test_a_recipe_without_a_mean_still_loads(tmp_path):
    model = create_model("edsr", 2, num_filters=4, num_res_blocks=1)
    del model.hyperparameters["mean"]  # as in checkpoints of earlier versions
    checkpoint.save(model, tmp_path / "a.keras")
    assert "mean" not in json.dumps(checkpoint.read_config(tmp_path / "a.keras"))
    np.testing.assert_array_equal(checkpoint.load(tmp_path / "a.keras")(LR), model(LR))
