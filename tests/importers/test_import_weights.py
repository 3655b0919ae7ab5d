import hashlib
import json
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.helpers import published
from tests.helpers.networks import assert_equals_golden
from wdsr_tf import checkpoint, images
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation.metrics import PROTOCOLS
from wdsr_tf.importers import formats, ours
from wdsr_tf.importers.formats import WeightsFile
from wdsr_tf.importers.import_weights import import_weights
from wdsr_tf.importers.recognize import choose, recognize
from wdsr_tf.inference.strips import upscale
from wdsr_tf.models import create_model, get_architecture

FROZEN = ("sub_mean", "add_mean")
UNUSED = (".blocks.3.", ".blocks.4.", ".blocks.5.", "upsampler.m.1.")  # in CARN-V2: never run, or repeated


def converted(arrays, scale=None, **options):
    """Returns the model of a file with these arrays."""
    file = WeightsFile(Path("weights.pth"), "a test", "0" * 64, arrays)
    return import_weights(file, choose(recognize(arrays), scale=scale, hyperparameters=options))


@pytest.mark.parametrize("file", published.EVERY.values(), ids=published.EVERY)
def test_every_value_of_a_file_is_used_once(file):
    multi_scale = {"multi_scale": True} if "multi_scale" in file.hyperparameters and len(file.scales) > 1 else {}
    model = converted(file.arrays, file.scales[0], **multi_scale)
    given = [
        array.ravel()
        for name, array in file.arrays.items()
        if not name.startswith(FROZEN) and not any(part in name for part in UNUSED)
    ]
    assigned = [weight.ravel() for weight in model.get_weights()]
    np.testing.assert_array_equal(np.sort(np.concatenate(assigned)), np.sort(np.concatenate(given)))
    keras.utils.clear_session()


@pytest.mark.parametrize("name", ["edsr x4", "wdsr 2018 b", "carn-m all", "krasserm b with g", "converted wdsr-a"])
def test_a_missing_unused_or_misshapen_tensor_is_refused(name):
    file = published.EVERY[name]
    key = next(key for key in file.arrays if key.endswith("bias") and not key.startswith(FROZEN))
    less = {other: array for other, array in file.arrays.items() if other != key}
    more = file.arrays | {key.replace("bias", "bias_too"): file.arrays[key]}
    other = file.arrays | {key: np.zeros(7, "float32")}
    for arrays, sign in ((less, "bias"), (more, "unused: "), (other, "(7,)")):
        with pytest.raises(InputError) as error:
            converted(arrays, file.scales[0])
        assert sign in str(error.value)


@pytest.mark.parametrize("name", ["up4.body.3.weight", "up4.body.3.bias", "up3.body.0.bias"])
def test_unused_upsamplers_must_be_complete(name):
    arrays = published.EVERY["carn-m all"].arrays
    key = f"upsample.{name}"
    for wrong in ({}, {key: np.zeros(7, "float32")}):
        with pytest.raises(InputError, match=key):
            less = {other: array for other, array in arrays.items() if other != key}
            converted(less | wrong, 2, multi_scale=False)


def test_a_mean_shift_may_be_omitted_completely_but_not_in_part():
    arrays = published.edsr(2).arrays
    converted({name: array for name, array in arrays.items() if not name.startswith(FROZEN)})
    with pytest.raises(InputError, match=r"lacks add_mean.bias; expected all of sub_mean.weight, "):
        converted({name: array for name, array in arrays.items() if name != "add_mean.bias"})


def test_quantized_weights_are_refused():
    arrays = published.edsr(2).arrays
    with pytest.raises(InputError, match=r"integers: head has type int8"):
        converted(arrays | {"head.0.weight": arrays["head.0.weight"].astype("int8")})


def test_a_model_for_one_scale_ignores_the_other_upsamplers_of_a_multi_scale_file():
    model = converted(published.EVERY["carn all"].arrays, 3, multi_scale=False)
    assert (model.scale, model.hyperparameters["multi_scale"]) == (3, False)
    kernel = published.EVERY["carn all"].arrays["upsample.up3.body.0.weight"]
    assert model.get_layer("upsampler").weights[0].shape == (3, 3, 8, kernel.shape[0])


def test_a_third_partys_channels_before_a_shuffle_keep_tensorflows_order():
    file = published.converted("wdsr-a", 2)
    kernel, _ = converted(file.arrays).get_layer("tail_x2").get_weights()
    np.testing.assert_array_equal(kernel, file.arrays["tail.weight"].transpose(2, 3, 1, 0))
    official = published.edsr(2)
    kernel, _ = converted(official.arrays).get_layer("upsampler_x2_1").get_weights()
    # PyTorch's channel 1 is the second column of the first color; ours the second color of the first column.
    np.testing.assert_array_equal(kernel[..., 1], official.arrays["tail.0.0.weight"].transpose(2, 3, 1, 0)[..., 4])


def test_weight_norm_in_keras_3s_numbers_is_assigned_to_g_v_and_bias():
    file = published.krasserm_wdsr("wdsr-a", 2, published.keras_3_conv, g=True)
    layer = converted(file.arrays).get_layer("body_0_expand")
    for weight, part in ((layer.g, "vars/0"), (layer.v, "vars/1"), (layer.bias, "layer/vars/0")):
        np.testing.assert_array_equal(weight, file.arrays[f"layers/weight_normalization_1/{part}"])


def test_sr_resnets_statistics_are_assigned_by_name():
    file = published.krasserm_residual("sr-resnet", 4)
    layer = converted(file.arrays).get_layer("body_1_norm_1")
    name = "batch_normalization_2/batch_normalization_2"
    for part in ("gamma", "beta", "moving_mean", "moving_variance"):
        np.testing.assert_array_equal(getattr(layer, part), file.arrays[f"{name}/{part}"])


@pytest.mark.parametrize("name", ["tfa_wdsr_b_b2_x2.h5", "tfa_wdsr_b_b2_x2.weights.h5"])
def test_both_layouts_of_tensorflow_addons_give_its_output(reference, name):
    source = formats.read(reference / "golden" / name)
    model = import_weights(source, choose(recognize(source.arrays)))
    with np.load(reference / "golden" / "tfa_wdsr_b_b2_x2_io.npz") as io:
        shift = 255 * published.MEAN - 127.5  # its graph subtracts 127.5
        assert_equals_golden(model(io["x"] + shift) - shift, io["y"])


def test_a_checkpoint_records_where_its_weights_came_from(tmp_path):
    arrays = published.edsr(3).arrays
    np.savez(tmp_path / "edsr.npz", **arrays)
    source = formats.read(tmp_path / "edsr.npz")
    model = import_weights(source, choose(recognize(source.arrays)), license="MIT")
    checkpoint.save(model, tmp_path / "edsr.keras")
    facts = checkpoint.read_config(tmp_path / "edsr.keras")["facts"]
    assert facts["sha256"] == hashlib.sha256((tmp_path / "edsr.npz").read_bytes()).hexdigest()
    assert facts["source"] == "edsr.npz" and facts["format"] == source.format
    assert facts["project"] == "sanghyun-son/EDSR-PyTorch" and facts["layout"] == "edsr.official"
    assert facts["license"] == "MIT" and facts["converter"].startswith("wdsr_tf ")


def test_an_unknown_hyperparameter_is_refused_with_a_suggestion():
    arrays = published.edsr(2).arrays
    with pytest.raises(InputError, match=r"Did you mean 'res_scaling'\?"):
        converted(arrays, res_scalin=0.1)
    with pytest.raises(InputError):
        converted(arrays, num_res_blocks="many")


def test_damaged_and_forged_recipes_are_refused():
    model = create_model("edsr", 2, num_filters=4, num_res_blocks=1)
    arrays = ours.arrays(model) | ours.recipe_array(model)
    config = json.loads(arrays[ours.RECIPE].tobytes())
    nested = []
    for _ in range(500):  # Keras would recurse through it when it saves
        nested = [nested]
    odd = [{"facts": 3}, {"facts": {"a": nested}}, {"hyperparameters": []}]
    odd += [{"scale": value} for value in ("2", True, 2.0)]
    wrong = [{"num_filters": value} for value in (100_000, "4", 1e300, float("inf"), True, None, 0, 4.0)]
    wrong += [{"num_res_blocks": value} for value in ("1", 300, -1)]
    wrong += [
        {"num_filters": 60},
        {"num_units": 100_000},
        {"res_expansion": 100_000},
        {"variant": "\x1b[2J"},
        {"variant": ["official"]},
    ]
    forged = [config | change for change in odd]
    forged += [config | {"hyperparameters": config["hyperparameters"] | change} for change in wrong]
    broken = [b"{", b"[]", b'{"architecture": 1}', b"\xff" * 9, b"[" * 10**5]
    for recipe in broken + [json.dumps(recipe).encode() for recipe in forged]:
        with pytest.raises(InputError):
            recognize(forged_in(arrays, recipe))


def test_a_recipe_with_many_more_weights_than_the_file_is_refused_before_allocation():
    model = create_model("dcscn", 2, num_filters=4, min_filters=2, num_layers=2)
    arrays, config = ours.arrays(model), model.get_config()
    config["hyperparameters"]["nin_filters"] = 4096
    before = keras.layers.Layer.add_weight
    with pytest.raises(InputError, match="many more weights than"):
        converted(forged_in(arrays, json.dumps(config).encode()))
    assert keras.layers.Layer.add_weight is before


def forged_in(arrays, recipe):
    """Returns the arrays of a file of ours with another recipe."""
    return arrays | {ours.RECIPE: np.frombuffer(recipe, "uint8")}


FORGED = (0, -1, 1, 3, 64, 4096, 100_000, 2**70, 1.5, 1e300, float("nan"), "64", "", None, True, [], {"a": 1})


def mutated(rng, arrays, recipe):
    """Returns the arrays with one of them renamed, reshaped, omitted or duplicated, or with another recipe."""
    arrays = dict(arrays)
    key = str(rng.choice(list(arrays)))
    match rng.integers(6):
        case 0:
            arrays[key[::-1]] = arrays.pop(key)
        case 1:
            arrays[key] = np.broadcast_to(np.float32(0), rng.integers(0, 9, rng.integers(0, 6)))
        case 2:
            del arrays[key]
        case 3:
            arrays[f"{key}_2"] = arrays[key]
        case _ if recipe:
            config = json.loads(json.dumps(recipe))
            place = config if rng.random() < 0.2 else config["hyperparameters"]
            place[str(rng.choice(list(place)))] = FORGED[rng.integers(len(FORGED))]
            arrays = forged_in(arrays, json.dumps(config).encode())
    return arrays


def test_altered_files_are_imported_or_refused_quickly_and_leave_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = {"num_filters": 4, "num_res_blocks": 1, "num_layers": 2, "min_filters": 2, "num_units": 2}
    networks = []
    for name in ("edsr", "wdsr-a", "dcscn", "drrn", "espcn"):
        known = get_architecture(name).hyperparameters
        model = create_model(name, 2, **{key: value for key, value in small.items() if key in known})
        networks.append((ours.arrays(model), model.get_config()))
    networks += [
        (published.EVERY[name].arrays, None) for name in ("srcnn", "espcn pytorch", "drrn one block", "edsr x2")
    ]
    add_weight, ends = keras.layers.Layer.add_weight, []
    for i in range(108):
        rng = np.random.default_rng(i)
        arrays = mutated(rng, *networks[i % len(networks)])
        before = time.process_time()
        try:
            ends.append(converted(arrays, scale=2).architecture)
        except InputError as error:
            assert str(error)
            ends.append("refused")
        assert time.process_time() - before < 60  # a hang, not a speed: a second is usual
    keras.utils.clear_session()
    assert 10 < ends.count("refused") < len(ends) - 10
    assert list(tmp_path.iterdir()) == [] and keras.layers.Layer.add_weight is add_weight


EXPECTED = {  # file -> (scale, model, project, the manifest's Y-PSNR on Set5 if measuring it is quick)
    "c_dcscn_x2/dcscn_L7_F32to8_G1.20_NIN_A24_B8_PS_R1F32.ckpt.index": (2, "dcscn", "jiny2001", None),
    "carn_m.pth": (4, "carn-m", "nmhkahn", 31.88),
    "carn_x2.npz": (2, "carn", "nmhkahn", None),
    "drrn_b1u25.npz": (3, "drrn", "jt827859032", None),
    "edsr_8_x2.npz": (2, "edsr", "krasserm", 37.80),
    "srcnn.onnx": (2, "srcnn", "Scthe", None),
    "waifu2x/cunet/noise1_model.param": (1, "cunet", "waifu2x", None),
    "waifu2x/cunet/scale2.0x_model.param": (2, "upcunet", "waifu2x", None),
    "waifu2x/upconv_7_photo/noise1_scale2.0x_model.param": (2, "upconv7", "waifu2x", None),
    "waifu2x/upconv_7_photo/scale2.0x_model.bin": (2, "upconv7", "waifu2x", None),
    "waifu2x/vgg_7/anime_style_scale_rgb.npz": (2, "vgg7", "tsurumeso", None),
    "wdsr_a_8_e6_x2.npz": (2, "wdsr-a", "krasserm", None),
    "wdsr_b_32_x4.h5": (4, "wdsr-b", "krasserm", None),
}


@pytest.mark.parametrize("name, expected", EXPECTED.items(), ids=EXPECTED)
def test_published_files_reach_their_figures(reference, tmp_path, name, expected):
    if name.endswith(".onnx"):
        pytest.importorskip("onnx")
    if name.endswith(".ckpt.index"):
        pytest.importorskip("tensorflow")
    scale, architecture, project, psnr = expected
    source = formats.read(reference / "weights" / name)
    candidates = recognize(source.arrays)
    model = import_weights(source, choose(candidates, scale=scale))
    checkpoint.save(model, tmp_path / "model.keras")
    assert (model.architecture, model.scale) == (architecture, scale)
    assert model.facts["project"].startswith(project)
    if psnr:
        assert psnr_on_set5(checkpoint.load(tmp_path / "model.keras"), reference) == pytest.approx(psnr, abs=0.02)
    keras.utils.clear_session()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, psnr", [("wdsr_a_8_e6_x2.npz", 37.88), ("wdsr_b_32_x4.h5", 32.09), ("carn_x2.npz", 37.76)]
)
def test_larger_published_files_reach_their_figures(reference, name, psnr):
    source = formats.read(reference / "weights" / name)
    model = import_weights(source, choose(recognize(source.arrays)))
    assert psnr_on_set5(model, reference) == pytest.approx(psnr, abs=0.02)


def psnr_on_set5(model, reference):
    folder = reference / "images" / "benchmark" / "Set5" / f"image_SRF_{model.scale}"
    figures = []
    for i in range(1, 6):
        lr, hr = (images.read(folder / f"img_{i:03d}_SRF_{model.scale}_{side}.png") for side in ("LR", "HR"))
        figures.append(PROTOCOLS["paper"].measure(upscale(model, lr), hr, model.scale)[0])
    return np.mean(figures)
