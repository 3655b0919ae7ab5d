import numpy as np

from wdsr_tf.models import create_model, fold, initialize_from_data, transfer

TINY = {"num_filters": 4, "num_res_blocks": 2}
PICTURE = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3), dtype="uint8")


def test_x3_takes_everything_from_x2_but_the_layers_named_after_their_scale():
    source, target = create_model("wdsr-b", 2, **TINY), create_model("wdsr-b", 3, **TINY)
    taken, fresh = transfer(source, target)
    assert set(fresh) == {"tail_x3", "skip_x3"}
    for name in taken:
        for ours, theirs in zip(target.get_layer(name).weights, source.get_layer(name).weights, strict=True):
            assert np.array_equal(ours, theirs)


def test_edsr_x4_takes_the_first_upsampling_stage_from_x2():
    _, fresh = transfer(create_model("edsr", 2, **TINY), create_model("edsr", 4, **TINY))
    assert fresh == ["upsampler_x2_2"]


def test_a_layer_of_another_width_stays_fresh():
    taken, _ = transfer(create_model("edsr", 2, **TINY), create_model("edsr", 2, **TINY | {"num_filters": 5}))
    assert taken == []


def test_plain_and_weight_normalized_networks_exchange_weights():
    plain, normed = create_model("wdsr-a", 2, **TINY), create_model("wdsr-a", 2, weight_norm=True, **TINY)
    _, fresh = transfer(plain, normed)
    assert fresh == []
    # Each kernel value is rounded once more (g / ||v||): on 0..255 that is some 1e-4 after the few layers here.
    np.testing.assert_allclose(np.asarray(normed(PICTURE)), np.asarray(plain(PICTURE)), atol=2e-3)


def test_fold_gives_a_plain_network_with_equal_output():
    normed = create_model("wdsr-b", 2, weight_norm=True, variant="official", **TINY)
    for layer in normed.layers:
        if hasattr(layer, "g"):
            layer.g.assign(layer.g * 1.3)  # a forgotten gain would show
    plain = fold(normed)
    assert plain.recipe == normed.recipe | {"weight_norm": False}
    np.testing.assert_allclose(np.asarray(plain(PICTURE)), np.asarray(normed(PICTURE)), atol=2e-3)


def test_data_based_start_gives_every_convolution_mean_zero_and_deviation_one():
    import keras

    model = create_model("wdsr-a", 2, weight_norm=True, **TINY)
    initialize_from_data(model, PICTURE)
    for name in ("head", "body_0_expand", "body_1_project", "tail_x2", "skip_x2"):
        out = np.asarray(keras.Model(model.inputs[0], model.get_layer(name).output)(PICTURE, training=True))
        np.testing.assert_allclose(out.mean(axis=(0, 1, 2)), 0, atol=1e-4)  # float32 sums over some hundred values
        np.testing.assert_allclose(out.std(axis=(0, 1, 2)), 1, atol=1e-3)
