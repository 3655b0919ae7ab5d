import numpy as np
import pytest

from tests.helpers import published
from tests.helpers.networks import assert_equals_golden, golden_model
from tests.importers.test_import_weights import converted
from wdsr_tf.errors import InputError
from wdsr_tf.importers import carn, edsr, formats, wdsr
from wdsr_tf.importers.export_weights import SUFFIXES, export_weights, official
from wdsr_tf.importers.import_weights import import_weights
from wdsr_tf.importers.recognize import choose, recognize
from wdsr_tf.models import create_model, list_models
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


def small(name, scale=None, **how):
    """A network of that name with few weights."""
    architecture = get_architecture(name)
    how = {key: value for key, value in SMALL.items() if key in architecture.hyperparameters} | how
    return create_model(name, scale or architecture.scales[0], **how)


def same_weights(model, other):
    pairs = zip(model.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("file", OFFICIAL.values(), ids=OFFICIAL)
def test_official_weights_come_back_bit_by_bit_with_the_names_and_shapes_that_a_strict_load_wants(file):
    all_scales = {"multi_scale": True} if len(file.scales) > 1 else {}
    arrays = official(converted(file.arrays, **all_scales))
    assert {name: array.shape for name, array in arrays.items()} == {
        name: array.shape for name, array in file.arrays.items()
    }
    for name, array in arrays.items():
        assert array.dtype == "float32"
        np.testing.assert_array_equal(array, file.arrays[name])


@pytest.mark.parametrize(
    "golden_name, layout, name, scale, how",
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
def test_golden_weights_come_back_bit_by_bit(golden, golden_name, layout, name, scale, how):
    arrays, _ = golden(golden_name)
    theirs = {key[2:]: array for key, array in arrays.items() if key.startswith("w/")}
    ours = official(golden_model(arrays, layout, name, scale, **how))
    assert ours.keys() == theirs.keys()
    for key, array in ours.items():
        np.testing.assert_array_equal(array, theirs[key], err_msg=key)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_comes_back_bit_by_bit_with_its_recipe(tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    model = small("carn-m", 3, multi_scale=True)
    model.facts = {"epoch": 3, "source": "carn_m.pth"}
    export_weights(model, tmp_path / f"model{suffix}", "ours")
    source = formats.read(tmp_path / f"model{suffix}")
    back = import_weights(source, choose(recognize(source.arrays)))
    assert back.recipe == model.recipe
    assert same_weights(back, model)
    assert back.facts["epoch"] == 3 and back.facts["source"] == "carn_m.pth"


@pytest.mark.parametrize("name", list_models())
def test_every_network_comes_back_from_our_own_names(tmp_path, name):
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


def test_pytorchs_suffix_means_the_official_layout(tmp_path):
    file = published.edsr(2)
    export_weights(converted(file.arrays), tmp_path / "edsr.pth")
    assert formats.read(tmp_path / "edsr.pth").arrays.keys() == file.arrays.keys()


@pytest.mark.parametrize("weight_norm", [False, True])
@pytest.mark.parametrize("scale", [2, 3])
def test_edsr_of_either_variant_gives_the_same_picture_in_the_official_one(scale, weight_norm):
    model = small("edsr", scale, weight_norm=weight_norm)
    assert model.hyperparameters["variant"] == "krasserm"
    back = converted(official(model))
    assert back.hyperparameters["variant"] == "official"
    assert_equals_golden(back(LR), np.asarray(model(LR)))


@pytest.mark.parametrize("variant", ["official", "reloaded"])
def test_plain_wdsr_gives_the_same_picture_weight_normalized(variant):
    model = small("wdsr-a", 2, variant=variant)
    back = converted(official(model))
    assert back.hyperparameters["weight_norm"]
    assert_equals_golden(back(LR), np.asarray(model(LR)))


@pytest.mark.parametrize(
    "name, how, message",
    [
        ("wdsr-b", {}, "variant krasserm mirrors .*--set variant=official"),
        ("wdsr-a", {"variant": "reloaded", "res_scaling": 0.1}, "no residual scaling"),
        ("edsr", {"tanh": True}, "neither tanh nor"),
        ("carn", {"num_filters": 8}, "has 64 filters, this network 8"),
        ("drrn", {}, "no official layout of drrn; there is one of edsr"),
    ],
)
def test_what_the_authors_code_cannot_compute_is_refused_with_the_reason(tmp_path, name, how, message):
    with pytest.raises(InputError, match=message):
        export_weights(small(name, **how), tmp_path / "model.pth")
    assert list(tmp_path.iterdir()) == []


def test_values_that_are_not_finite_are_not_written(tmp_path):
    model = small("edsr")
    kernel, bias = model.get_layer("tail").get_weights()
    model.get_layer("tail").set_weights([kernel, bias * np.nan])
    with pytest.raises(InputError, match="not finite: tail/bias"):
        export_weights(model, tmp_path / "model.npz")
    assert list(tmp_path.iterdir()) == []


def test_another_suffix_is_refused_with_those_that_would_do(tmp_path):
    with pytest.raises(InputError, match=r"written as .npz, .safetensors, .pth, .pt"):
        export_weights(None, tmp_path / "model.h5")  # before the network is looked at
