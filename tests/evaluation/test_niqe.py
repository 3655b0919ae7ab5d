import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.evaluation import niqe

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (200, 296, 3), "uint8")


def test_features_and_values_are_the_published_ones_by_the_published_prior(golden):
    arrays, facts = golden("gan/niqe")
    image, prior = arrays["image_u8_rgb"], (arrays["mu_pris_param"], arrays["cov_pris_param"])
    # The reference halves the image in float32, which moves two shapes to the next step of their grid, 0.001.
    assert np.abs(niqe.features(image, 4)[0] - arrays["features_border4"]).max() < 0.001 + 1e-9
    assert niqe.niqe(image, 4, prior) == pytest.approx(facts["values"]["niqe_border4"], rel=1e-5)
    assert niqe.niqe(image, 0, prior) == pytest.approx(facts["values"]["niqe_border0"], rel=1e-5)
    np.testing.assert_allclose(np.outer(niqe.WINDOW, niqe.WINDOW), arrays["gaussian_window"], atol=1e-12)


def test_blur_and_noise_are_less_natural_than_a_photograph_by_our_prior(reference):
    from wdsr_tf import images
    from wdsr_tf.images.resize import imresize

    detailed = slice(500, 1076)  # where the photograph is; smooth sky is far from the prior by itself
    photograph = images.read(reference / "images" / "photos" / "valid" / "0804.jpg")[detailed, detailed]
    blurred = imresize(imresize(photograph, 0.25), 4.0)
    noisy = np.clip(photograph + RNG.normal(0, 20, photograph.shape), 0, 255)
    good, *bad = (niqe.niqe(image) for image in (photograph, blurred, noisy))
    assert all(value > 1.5 * good for value in bad)


def test_the_prior_of_an_image_is_at_no_distance_from_it():
    measured, _ = niqe.features(NOISE)
    assert niqe.distance(measured, measured.mean(axis=0), np.cov(measured, rowvar=False)) == pytest.approx(0, abs=1e-9)


def test_the_shipped_prior_has_36_features_and_a_valid_covariance():
    mean, covariance = niqe.own_prior()
    assert (mean.shape, covariance.shape) == ((36,), (36, 36))
    np.testing.assert_array_equal(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > 0


@pytest.mark.parametrize("shape", [(40, 200, 3), (96, 96, 3), (191, 191, 3)])
def test_an_image_of_fewer_than_two_blocks_has_no_value(shape):
    assert np.isnan(niqe.niqe(np.zeros(shape, "uint8")))


def test_flat_blocks_are_left_out():
    flat = NOISE.copy()
    flat[:, :110] = 90  # the first column of blocks and what its filters see beyond it
    measured, _ = niqe.features(flat)
    assert np.isnan(measured).any(axis=1).tolist() == [True, True, False, False, False, False]
    assert np.isfinite(niqe.niqe(flat))


def test_a_prior_is_fitted_to_the_sharp_blocks_alone():
    image = RNG.integers(0, 256, (96 * 4, 96 * 12, 3), "uint8")
    image[:, :96] = image[:, :96] // 8
    mean, covariance = niqe.fit([image])
    sharp, _ = niqe.features(image[:, 96:])
    np.testing.assert_allclose(mean[0], sharp[:, 0].mean(), rtol=1e-2)
    assert covariance.shape == (36, 36)
    with pytest.raises(InputError, match="more than 36 sharp blocks of 96 x 96 pixels, and there are 6"):
        niqe.fit([NOISE])


def test_the_script_writes_the_prior_and_credits_the_photographs(tmp_path, monkeypatch, capsys):
    from release import niqe_prior
    from wdsr_tf import images

    for i in range(2):
        images.write(tmp_path / "photos" / f"{i}.png", RNG.integers(0, 256, (96 * 4, 96 * 6, 3), "uint8"))
    (tmp_path / "MANIFEST.tsv").write_text("file\tauthor\tlicence\nphotos/0.png\tAda\tCC0-1.0\nphotos/1.png\tBo\tPD\n")
    monkeypatch.setattr(niqe, "PRIOR", tmp_path / "prior.npz")
    monkeypatch.setattr(niqe_prior, "CREDITS", tmp_path / "credits.csv")
    assert niqe_prior.COMMAND.main([str(tmp_path / "photos")]) == 0, capsys.readouterr().err
    with np.load(tmp_path / "prior.npz") as arrays:
        assert {name: array.shape for name, array in arrays.items()} == {"mean": (36,), "covariance": (36, 36)}
    header, *lines = (tmp_path / "credits.csv").read_text().splitlines()
    assert header == "file,author,license,sha256"
    assert [line.rpartition(",")[0] for line in lines] == ["0.png,Ada,CC0-1.0", "1.png,Bo,PD"]
