import numpy as np

from wdsr_tf.models import create_model, fold, initialize_from_data, transfer

TINY = {"num_filters": 4, "num_res_blocks": 2}
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3), dtype="uint8")


def test_x3_takes_all_layers_from_x2_but_those_named_after_their_scale():
    source, target = create_model("wdsr-b", 2, **TINY), create_model("wdsr-b", 3, **TINY)
    copied, fresh = transfer(source, target)
    assert set(fresh) == {"tail_x3", "skip_x3"}
    for name in copied:
        for ours, theirs in zip(target.get_layer(name).weights, source.get_layer(name).weights, strict=True):
            assert np.array_equal(ours, theirs)


def test_edsr_x4_takes_the_first_upsampling_stage_from_x2():
    _, fresh = transfer(create_model("edsr", 2, **TINY), create_model("edsr", 4, **TINY))
    assert fresh == ["upsampler_x2_2"]


def test_layers_of_different_width_keep_their_fresh_weights():
    copied, _ = transfer(create_model("edsr", 2, **TINY), create_model("edsr", 2, **TINY | {"num_filters": 5}))
    assert copied == []


def test_plain_and_weight_normalized_networks_exchange_weights():
    plain, normed = create_model("wdsr-a", 2, **TINY), create_model("wdsr-a", 2, weight_norm=True, **TINY)
    _, fresh = transfer(plain, normed)
    assert fresh == []
    # g / ||v|| rounds each kernel value once more, which makes some 1e-4 on 0..255 after these few layers.
    np.testing.assert_allclose(np.asarray(normed(IMAGES)), np.asarray(plain(IMAGES)), atol=2e-3)


def test_folding_returns_a_plain_network_with_equal_output():
    normed = create_model("wdsr-b", 2, weight_norm=True, variant="official", **TINY)
    for layer in normed.layers:
        if hasattr(layer, "g"):
            layer.g.assign(layer.g * 1.3)  # so that a forgotten gain shows
    plain = fold(normed)
    assert plain.recipe == normed.recipe | {"weight_norm": False}
    np.testing.assert_allclose(np.asarray(plain(IMAGES)), np.asarray(normed(IMAGES)), atol=2e-3)


def test_initialization_from_data_gives_every_convolution_mean_zero_and_deviation_one():
    import keras

    model = create_model("wdsr-a", 2, weight_norm=True, **TINY)
    initialize_from_data(model, IMAGES)
    for name in ("head", "body_0_expand", "body_1_project", "tail_x2", "skip_x2"):
        out = np.asarray(keras.Model(model.inputs[0], model.get_layer(name).output)(IMAGES, training=True))
        np.testing.assert_allclose(out.mean(axis=(0, 1, 2)), 0, atol=1e-4)  # float32 sums over some hundreds of values
        np.testing.assert_allclose(out.std(axis=(0, 1, 2)), 1, atol=1e-3)
