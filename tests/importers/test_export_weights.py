import json

import numpy as np
import pytest

from tests.helpers import published
from tests.helpers.networks import assert_equals_golden, golden_model
from tests.importers.test_import_weights import converted
from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.importers import carn, convert, edsr, formats, ours, wdsr
from wdsr_tf.importers.export_weights import SUFFIXES, WRITTEN, export_weights, unrecorded
from wdsr_tf.importers.export_weights import published as written
from wdsr_tf.importers.formats import pytorch_writer
from wdsr_tf.importers.import_weights import import_weights
from wdsr_tf.importers.recognize import choose, recognize
from wdsr_tf.models import create_model, list_models, transfer
from wdsr_tf.models.registry import get_architecture

OFFICIAL = {
    "edsr x2": published.edsr(2),
    "edsr x3": published.edsr(3),
    "edsr x4": published.edsr(4),
    "wdsr-a 2018 x2": published.wdsr_2018("wdsr-a", 2),
    "wdsr-b 2018 x3": published.wdsr_2018("wdsr-b", 3),
    "wdsr-a 2020 x4": published.wdsr_2020(4),
    "carn x2": published.carn("carn", 2),
    "carn all": published.carn("carn", "all"),
    "carn-m x4": published.carn("carn-m", 4),
    "carn-m all": published.carn("carn-m", "all"),
}
SMALL = {"num_filters": 4, "num_res_blocks": 2, "num_layers": 3, "min_filters": 2, "num_units": 2}
LR = np.random.default_rng(0).integers(0, 256, (1, 7, 6, 3), "uint8")


def small(name, scale=None, **options):
    """Returns a model with few weights."""
    architecture = get_architecture(name)
    options = {key: value for key, value in SMALL.items() if key in architecture.hyperparameters} | options
    return create_model(name, scale or architecture.scales[0], **options)


def same_weights(model, other):
    pairs = zip(model.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("file", OFFICIAL.values(), ids=OFFICIAL)
def test_official_weights_are_exported_exactly_with_the_names_and_shapes_of_a_strict_load(file):
    all_scales = {"multi_scale": True} if len(file.scales) > 1 else {}
    arrays = written(converted(file.arrays, **all_scales))[1]
    assert {name: array.shape for name, array in arrays.items()} == {
        name: array.shape for name, array in file.arrays.items()
    }
    for name, array in arrays.items():
        assert array.dtype == "float32"
        np.testing.assert_array_equal(array, file.arrays[name])


@pytest.mark.parametrize(
    "golden_name, layout, name, scale, options",
    [
        ("edsr_b2f32_x4", edsr.official, "edsr", 4, {"num_filters": 32, "num_res_blocks": 2, "variant": "official"}),
        ("wdsr_b_b2_x3", wdsr.official, "wdsr-b", 3, {"num_res_blocks": 2, "weight_norm": True, "variant": "official"}),
        (
            "wdsr_reloaded_b2_x2",
            wdsr.reloaded,
            "wdsr-a",
            2,
            {"num_res_blocks": 2, "weight_norm": True, "variant": "reloaded"},
        ),
        ("carn_x3", carn.official, "carn", 3, {}),
        ("carn_m_published", carn.official, "carn-m", 2, {"multi_scale": True}),
    ],
)
def test_reference_weights_are_exported_exactly(golden, golden_name, layout, name, scale, options):
    arrays, _ = golden(golden_name)
    theirs = {key[2:]: array for key, array in arrays.items() if key.startswith("w/")}
    _, found = written(golden_model(arrays, layout, name, scale, **options))
    assert found.keys() == theirs.keys()
    for key, array in found.items():
        np.testing.assert_array_equal(array, theirs[key], err_msg=key)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_is_read_back_exactly_with_its_recipe(tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    model = small("carn-m", 3, multi_scale=True)
    model.facts = {"epoch": 3, "source": "carn_m.pth"}
    export_weights(model, tmp_path / f"model{suffix}", "ours")
    source = formats.read(tmp_path / f"model{suffix}")
    back = import_weights(source, choose(recognize(source.arrays, source.facts)))
    assert back.recipe == model.recipe
    assert same_weights(back, model)
    assert back.facts["epoch"] == 3 and back.facts["source"] == "carn_m.pth"


@pytest.mark.parametrize("name", list_models())
def test_every_model_is_read_back_from_our_names(tmp_path, name):
    model = small(name)
    export_weights(model, tmp_path / "model.npz")
    source = formats.read(tmp_path / "model.npz")
    back = import_weights(source, choose(recognize(source.arrays)))
    assert back.recipe == model.recipe
    assert same_weights(back, model)


def test_our_names_are_those_of_layers_and_weights(tmp_path):
    export_weights(small("wdsr-a", 2, weight_norm=True, num_res_blocks=1), tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as arrays:
        layers = ("head", "body_0_expand", "body_0_project", "tail_x2", "skip_x2")
        expected = {f"{layer}/{part}" for layer in layers for part in ("g", "v", "bias")}
        assert set(arrays) == expected | {"__recipe__"}
    export_weights(small("carn", 4), tmp_path / "carn.npz")
    with np.load(tmp_path / "carn.npz") as arrays:
        upsampler = {name for name in arrays if name.startswith("upsampler")}
        assert upsampler == {f"upsampler/{part}_{i}" for part in ("kernel", "bias") for i in (1, 2)}


def test_pytorchs_suffix_selects_pytorchs_layout(tmp_path):
    file = published.edsr(2)
    export_weights(converted(file.arrays), tmp_path / "edsr.pth")
    assert formats.read(tmp_path / "edsr.pth").arrays.keys() == file.arrays.keys()


@pytest.mark.parametrize("weight_norm", [False, True])
@pytest.mark.parametrize("scale", [2, 3])
def test_both_variants_of_edsr_give_the_same_image_in_the_official_layout(scale, weight_norm):
    model = small("edsr", scale, weight_norm=weight_norm)
    assert model.hyperparameters["variant"] == "krasserm"
    back = converted(written(model)[1])
    assert back.hyperparameters["variant"] == "official"
    assert_equals_golden(back(LR), np.asarray(model(LR)))


@pytest.mark.parametrize("variant", ["official", "reloaded"])
def test_plain_wdsr_gives_the_same_image_weight_normalized(variant):
    model = small("wdsr-a", 2, variant=variant)
    back = converted(written(model)[1])
    assert back.hyperparameters["weight_norm"]
    assert_equals_golden(back(LR), np.asarray(model(LR)))


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("wdsr-a", {"variant": "reloaded", "res_scaling": 0.1}, "no residual scaling"),
        ("edsr", {"tanh": True}, "has neither"),
        ("carn", {"num_filters": 8}, "has 64 filters; this model has 8"),
        ("dcscn", {}, "dcscn can't be written for PyTorch, because no published code has names for it. Networks that"),
    ],
)
def test_a_model_that_no_published_code_computes_is_refused_with_the_reason(tmp_path, name, options, message):
    with pytest.raises(InputError, match=message):
        export_weights(small(name, **options), tmp_path / "model.pth")
    assert list(tmp_path.iterdir()) == []


def test_values_that_are_not_finite_are_not_written(tmp_path):
    model = small("edsr")
    kernel, bias = model.get_layer("tail").get_weights()
    model.get_layer("tail").set_weights([kernel, bias * np.nan])
    with pytest.raises(InputError, match="aren't finite: tail/bias"):
        export_weights(model, tmp_path / "model.npz")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"can be written as .npz, .safetensors, .pth, .pt"):
        export_weights(None, tmp_path / "model.h5")  # before it looks at the model


LAYERS = {"num_res_blocks": 3, "num_groups": 1, "growth": 2}
FOR_PYTORCH = [
    *(("wdsr-a", {}), ("wdsr-a", {"weight_norm": True}), ("wdsr-b", {"num_filters": 5, "res_scaling": 0.5})),
    *((name, {}) for name in WRITTEN.split(", ") if name not in ("wdsr-a", "wdsr-b", "carn", "carn-m")),
    *(("carn", {"num_filters": 64, "multi_scale": True}), ("carn-m", {"num_filters": 64, "multi_scale": True})),
    *(("span", {"branches": True}), ("msrn", {"variant": "harish-vnkt", "last_relu": True})),
    *(("rrdbnet", {"pixel_unshuffle": True}), ("edsr", {"mean": [100.0, 110.0, 120.5]})),
    *(("srcnn", {"padding": "same", "colors": "full-range", "pre_upscaling": "bilinear"}), ("drrn", {"inplace": True})),
]


@pytest.mark.parametrize("name, options", FOR_PYTORCH, ids=[f"{name} {options}" for name, options in FOR_PYTORCH])
def test_what_is_written_for_pytorch_is_read_back_with_what_the_file_does_not_record(tmp_path, name, options):
    extra = {key: value for key, value in LAYERS.items() if key in get_architecture(name).hyperparameters}
    model = small(name, None, **extra | options)
    export_weights(model, tmp_path / "model.pth")
    source = formats.read(tmp_path / "model.pth")
    given = unrecorded(tmp_path / "model.pth", model)
    back = import_weights(source, choose(recognize(source.arrays), name, model.scale, given))
    assert_equals_golden(back(LR), np.asarray(model(LR)))


def test_safetensors_says_what_it_is_in_its_metadata(tmp_path):
    safetensors = pytest.importorskip("safetensors")
    model = small("wdsr-b", 3, num_filters=5, res_scaling=0.5, weight_norm=True)
    model.facts = {"license": "MIT"}
    for layout, norm in (("ours", True), ("pytorch", False)):
        path = tmp_path / f"{layout}.safetensors"
        export_weights(model, path, layout)
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata()
            assert not [name for name in file.keys() if name.startswith("__")]  # noqa: SIM118  (it isn't a dict)
        assert (metadata["architecture"], metadata["scale"], metadata["layout"]) == ("wdsr-b", "3", layout)
        assert json.loads(metadata["facts"]) == {"license": "MIT"}
        source = formats.read(path)
        back = import_weights(source, choose(recognize(source.arrays, source.facts)))
        assert back.recipe == model.recipe | {"weight_norm": norm}
        assert back.facts["license"] == "MIT"
        assert_equals_golden(back(LR), np.asarray(model(LR)))
    assert unrecorded(tmp_path / "pytorch.safetensors", model) == {}


@pytest.mark.parametrize(
    "metadata", [{"scale": "x"}, {"hyperparameters": "[]"}, {"architecture": "9" * 99}, {"facts": "["}]
)
def test_damaged_metadata_is_named(tmp_path, metadata):
    numpy = pytest.importorskip("safetensors.numpy")
    model = small("wdsr-a", 2)
    good = ours.metadata(model, "ours")
    numpy.save_file(ours.arrays(model), tmp_path / "bad.safetensors", good | metadata)
    source = formats.read(tmp_path / "bad.safetensors")
    with pytest.raises(InputError, match=r"damaged|no supported model has"):
        recognize(source.arrays, source.facts)


@pytest.mark.parametrize("name", ["carn", "carn-m"])
def test_all_scales_of_a_file_survive_the_way_to_a_checkpoint_and_back(tmp_path, name):
    file = published.carn(name, "all")
    pytorch_writer.write(tmp_path / "all.pth", file.arrays)
    convert.to_checkpoint(tmp_path / "all.pth", tmp_path / "x3.keras", scale=3)
    assert checkpoint.read_config(tmp_path / "x3.keras")["hyperparameters"]["multi_scale"]
    convert.to_weights(tmp_path / "x3.keras", tmp_path / "back.pth")
    back = formats.read(tmp_path / "back.pth").arrays
    assert back.keys() == file.arrays.keys()
    for key, array in file.arrays.items():
        np.testing.assert_array_equal(back[key], array)
    single = small(name, 3, num_filters=64)  # takes its upsampler from the other's three
    copied, fresh = transfer(checkpoint.load(tmp_path / "x3.keras"), single)
    assert "upsampler" in copied and fresh == []
    source = formats.read(tmp_path / "all.pth")
    one = import_weights(source, choose(recognize(source.arrays), scale=3, hyperparameters={"multi_scale": False}))
    assert same_weights(one, single)
