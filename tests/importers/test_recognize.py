import functools
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers import published
from wdsr_tf.errors import InputError
from wdsr_tf.importers.recognize import choose, recognize, renamed

CARN_M = published.EVERY["carn-m all"]


@pytest.mark.parametrize("file", published.EVERY.values(), ids=published.EVERY)
def test_every_layout_is_recognized_by_names_and_shapes(file):
    (found,) = recognize(file.arrays)
    assert (found.project, found.name, found.scales) == (file.project, file.name, file.scales)
    assert found.hyperparameters == file.hyperparameters
    assert found.scale == (file.scales[0] if len(file.scales) == 1 else None)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("carn_x4", ("carn", 4, {"num_filters": 64, "multi_scale": False})),
        ("carn_m_g2_x4", ("carn-m", 4, {"num_filters": 64, "groups": 2, "multi_scale": False})),
        ("carn_m_published", ("carn-m", None, {"num_filters": 64, "groups": 4, "multi_scale": False})),
        ("carn_seedv1_c16_x2", ("carn-v2", 2, {"num_filters": 16, "fusion_size": 1, "fusion_groups": 1})),
        ("carn_v2_c32_x4", ("carn-v2", 4, {"num_filters": 32, "fusion_size": 3, "fusion_groups": 1})),
        ("cunet", ("cunet", 1, {"luma": False})),
        ("dcscn_c_published_x4", ("dcscn", 4, {"num_filters": 32, "min_filters": 8, "num_layers": 7, "gamma": 1.2})),
        ("dcscn_seed_small_x2", ("dcscn-12", 2, {"num_filters": 48, "min_filters": 12, "nin_filters": 16})),
        ("drrn_b2u3f16", ("drrn", None, {"num_filters": 16, "num_res_blocks": 2, "inplace": True})),
        ("edsr_b2f32_x4", ("edsr", 4, {"num_filters": 32, "num_res_blocks": 2, "variant": "official"})),
        ("espcn7_su_x2", ("espcn-7", 2, {"num_filters": 64, "selection_unit": "replace"})),
        ("krasserm_edsr_b2f32_x4", ("edsr", 4, {"num_filters": 32, "num_res_blocks": 2, "variant": "krasserm"})),
        ("krasserm_wdsr_a_b2_x4_e6", ("wdsr-a", 4, {"num_res_blocks": 2, "res_expansion": 6, "variant": "krasserm"})),
        ("krasserm_wdsr_b_b2_x3", ("wdsr-b", 3, {"num_res_blocks": 2, "res_expansion": 6, "weight_norm": False})),
        ("msrn_b2f16_x4", ("msrn", 4, {"num_filters": 16, "num_res_blocks": 2, "variant": "official"})),
        ("msrn_seed_b2f16_x3", ("msrn", 3, {"num_filters": 16, "num_res_blocks": 2, "variant": "harish-vnkt"})),
        ("srcnn_published", ("srcnn", None, {"body_size": 1, "padding": "same", "colors": "full-range"})),
        ("upconv7_seed", ("upconv7", 2, {"pad": "zeros"})),
        ("upcunet", ("upcunet", 2, {"luma": False})),
        ("vgg7_published_ukbench", ("vgg7", None, {"luma": False})),
        ("wdsr_b_b2_x3", ("wdsr-b", 3, {"num_res_blocks": 2, "res_expansion": 6, "variant": "official"})),
        ("wdsr_reloaded_b2_x2", ("wdsr-a", 2, {"num_res_blocks": 2, "res_expansion": 4, "variant": "reloaded"})),
    ],
)
def test_reference_files_are_recognized(golden, name, expected):
    arrays, _ = golden(name)
    (found,) = recognize({key[2:]: array for key, array in arrays.items() if key.startswith("w/")})
    architecture, scale, options = expected
    assert (found.name, found.scale) == (architecture, scale)
    assert found.hyperparameters | options == found.hyperparameters


def test_recognizing_does_not_import_keras():
    code = (
        "import sys; from wdsr_tf.importers import formats, recognize; print({'keras', 'tensorflow'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "set()", done.stderr


def test_a_multi_scale_file_needs_a_scale_unless_one_checkpoint_keeps_them_all():
    candidates = recognize(CARN_M.arrays)
    with pytest.raises(InputError, match=r"choose scale 2 or scale 3 or scale 4, or set multi_scale=true to keep all"):
        choose(candidates)
    whole, x3 = choose(candidates, hyperparameters={"multi_scale": True}), choose(candidates, scale=3)
    assert (whole.scale, whole.hyperparameters["multi_scale"]) == (2, True)
    assert (x3.scale, x3.hyperparameters["multi_scale"]) == (3, True)  # it keeps what the file has
    alone = choose(candidates, scale=3, hyperparameters={"multi_scale": False})
    assert (alone.scale, alone.hyperparameters["multi_scale"]) == (3, False)


def test_a_scale_that_shapes_do_not_determine_must_be_chosen():
    with pytest.raises(InputError, match=r"choose scale 2 or scale 3 or scale 4"):
        choose(recognize(published.drrn().arrays))
    with pytest.raises(InputError, match=r"choose scale 1 or scale 2; models that only denoise have scale 1"):
        choose(recognize(published.vgg7("{}").arrays))


def test_two_fitting_projects_are_distinguished_by_an_option():
    candidates = recognize(published.srcnn(size=5).arrays)
    with pytest.raises(InputError, match=r"more than one") as error:
        choose(candidates, scale=2)
    assert "colors=full-range   for" in str(error.value)
    assert "colors=bt601   for" in str(error.value)
    assert choose(candidates, scale=2, hyperparameters={"colors": "bt601"}).project == "yjn870/SRCNN-pytorch"


def test_options_override_what_was_recognized():
    chosen = choose(recognize(published.drrn().arrays), "drrn", 3, {"num_units": 4})
    assert (chosen.scale, chosen.hyperparameters["num_units"]) == (3, 4)
    chosen = choose(recognize(published.krasserm_wdsr("wdsr-a", 2).arrays), hyperparameters={"variant": "official"})
    assert chosen.hyperparameters["variant"] == "official"


@pytest.mark.parametrize(
    "given, message",
    [
        ({"model": "carn"}, r"don't fit model 'carn'. Did you mean 'carn-m'\? They are for carn-m"),
        ({"model": "edsr"}, r"don't fit model 'edsr'. They are for carn-m .* of nmhkahn/CARN-pytorch"),
        ({"scale": 8}, r"don't fit scale 8; .*Use scale 2 or scale 3 or scale 4"),
    ],
)
def test_an_option_that_does_not_fit_is_refused_with_those_that_do(given, message):
    with pytest.raises(InputError, match=message):
        choose(recognize(CARN_M.arrays), **given)


def test_the_message_about_unknown_weights_has_their_names_and_the_supported_projects():
    with pytest.raises(InputError) as error:
        recognize({"layer1.weight": np.zeros((2, 3)), "layer1.bias": np.zeros(2)})
    assert "layer1.weight (2, 3)" in str(error.value)
    assert "nmhkahn/CARN-pytorch" in str(error.value) and "nagadomi/nunif" in str(error.value)


@pytest.mark.parametrize("name, file", published.EVERY.items(), ids=published.EVERY)
def test_absurd_shapes_are_refused_or_ambiguous_but_never_a_crash(name, file):
    rng = np.random.default_rng(0)
    for key, array in file.arrays.items():
        for shape in [(), (0,), (array.size,), array.shape[::-1], (*array.shape, 1), tuple(rng.integers(0, 9, 4))]:
            try:
                candidates = recognize(file.arrays | {key: np.broadcast_to(np.float32(0), shape)})
            except InputError:
                continue
            # A model is no larger than its file: the shapes bound its weights.
            assert all(c.hyperparameters.get("num_filters", 1) <= 32 * 4 for c in candidates)


def test_weight_norm_with_parametrizations_is_recognized():
    older = published.wdsr_2018("wdsr-b", 2)
    names = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
    newer = {}
    for key, array in older.arrays.items():
        layer, _, part = key.rpartition(".")
        newer[f"{layer}.{names.get(part, part)}"] = array
    (found,) = recognize(newer)
    assert (found.name, found.scale, found.hyperparameters) == ("wdsr-b", 2, older.hyperparameters)


def test_two_names_for_the_same_array_are_refused():
    arrays = published.wdsr_2018("wdsr-b", 2).arrays
    again = {"head.0.parametrizations.weight.original0": arrays["head.0.weight_g"]}
    with pytest.raises(InputError, match=r"two names of the same array"):
        recognize(arrays | again)


@pytest.mark.parametrize(
    "prefix",
    [
        *("module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "net.", "net_g.", "generator."),
        *("module.model.net.", "model.model."),
    ],
)
def test_the_prefixes_of_wrappers_are_removed_if_all_names_have_them(prefix):
    file = published.edsr(2)
    wrapped = {f"{prefix}{name}": array for name, array in file.arrays.items()}
    counter = {"n_averaged": np.array(7)}
    for arrays in (wrapped, counter | wrapped, {f"{prefix}n_averaged": np.array(7)} | wrapped):
        (found,) = recognize(arrays)
        assert found.project == file.project
        assert list(renamed(arrays)) == list(file.arrays)


def test_a_prefix_that_not_all_names_share_stays():
    assert list(renamed({"module.a": np.ones(1), "b": np.ones(1)})) == ["module.a", "b"]
    assert list(renamed({"n_averaged": np.ones(1)})) == []


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "net.module."])
def test_the_numbered_layers_of_esrgans_first_release_keep_their_prefix(prefix):
    names = ["model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"]
    assert list(renamed({prefix + name: np.ones(1) for name in names})) == names


@pytest.mark.parametrize(
    "names, said",
    [
        (["layers.0.residual_group.blocks.0.attn.relative_position_bias_table"], "a SwinIR"),
        (
            [
                "layers.0.residual_group.blocks.0.attn.relative_position_bias_table",
                "layers.0.residual_group.blocks.0.conv_block.cab.0.weight",
                "layers.0.residual_group.overlap_attn.relative_position_bias_table",
            ],
            "a HAT",
        ),
        (["before_RG.1.weight", "layers.0.blocks.0.attn.qkv.weight"], "a DAT"),
        (["residual_layer.0.residual_layer.0.layer.0.fn.0.weight"], "an OmniSR"),
        (["layers.0.residual_group.layers.0.attn_atd.scale"], "an ATD"),
        (["layers.0.swin1.norm1.weight", "layers.0.adjust1.weight"], "a DRCT"),
    ],
)
def test_architectures_that_are_not_built_are_named(names, said):
    arrays = {f"module.{name}": np.zeros((2, 2)) for name in ["conv_first.weight", *names]}
    with pytest.raises(InputError, match=f"^this is {said}; this project builds convolutional networks$"):
        recognize(arrays)


@pytest.mark.parametrize("more, said", [([], "a PLKSR"), (["feats.1.norm.weight"], "a RealPLKSR")])
def test_convolutional_architectures_that_are_not_built_are_named(more, said):
    arrays = {name: np.zeros((2, 2)) for name in ["feats.0.weight", "feats.1.lk.conv.weight", *more]}
    with pytest.raises(InputError, match=f"^this is {said}; this project doesn't build it$"):
        recognize(arrays)


def test_a_file_of_two_projects_that_pad_differently_says_so_and_takes_an_option():
    (found,) = recognize(published.EVERY["upcunet"].arrays)
    assert found.project == "nagadomi/nunif or bilibili/ailab (Real-CUGAN)"
    assert "Real-CUGAN" in found.note and "pad=reflect and clip=false" in found.note
    chosen = choose([found], hyperparameters={"pad": "reflect", "clip": False})
    assert (chosen.hyperparameters["pad"], chosen.hyperparameters["clip"], chosen.note) == ("reflect", False, "")


@pytest.mark.parametrize("make", [published.edsr, functools.partial(published.krasserm_residual, "edsr")])
def test_edsrs_note_says_which_residual_scaling_is_assumed(make):
    (small,), (large,) = recognize(make(2, n=4).arrays), recognize(make(2, n=256, blocks=1).arrays)
    assert "res_scaling" not in small.hyperparameters and large.hyperparameters["res_scaling"] == 0.1
    assert "assumed is res_scaling=none, as published" in small.note
    assert "assumed is res_scaling=0.1, as published" in large.note
    assert not choose([small], hyperparameters={"res_scaling": 0.3}).note


@pytest.mark.parametrize(
    "given, message",
    [
        ({"num_units": 100_000}, r"a hyperparameter is out of range: 'num_units' is 100000"),
        ({"num_units": 200, "num_res_blocks": 2}, r"400 blocks and units are more than"),
        ({"num_filters": "4"}, r"'num_filters' is '4'"),
    ],
)
def test_an_implausible_hyperparameter_is_refused_before_anything_is_built(given, message):
    with pytest.raises(InputError, match=message):
        choose(recognize(published.drrn().arrays), scale=2, hyperparameters=given)
