import numpy as np
import pytest

from wdsr_tf.data.degrade import kernels


def of_real_esrgan(facts):
    """The kernel that an entry of the reference file describes."""
    size, kind = facts["kernel_size"], facts["function"]
    if kind == "circular_lowpass_kernel":
        kernel = kernels.sinc(size, facts["cutoff"])
        return kernels.padded(kernel, facts["pad_to"]) if facts["pad_to"] else kernel
    widths = [facts["sig_x"]] if facts["isotropic"] else [facts["sig_x"], facts["sig_y"], facts["theta"]]
    if kind == "bivariate_Gaussian":
        return kernels.gaussian(size, *widths)
    make = {"bivariate_generalized_Gaussian": kernels.generalized_gaussian, "bivariate_plateau": kernels.plateau}[kind]
    return make(size, facts["beta"], *widths)


def of_bsrgan(facts):
    kind, _, size = facts["key"].partition("_")
    if kind == "aniso":
        return kernels.from_variances(int(size), facts["l1"], facts["l2"], facts["theta"])
    if kind == "iso":
        return kernels.fspecial(int(size), facts["sigma"])
    return kernels.shifted(kernels.fspecial(facts["size"], facts["sigma"]), facts["sf"])


@pytest.mark.parametrize("name, make", [("blur_kernels", of_real_esrgan), ("bsrgan_kernels", of_bsrgan)])
def test_kernels_equal_the_references(golden, name, make):
    arrays, facts = golden(f"gan/{name}")
    for entry in facts["parameters"]:
        np.testing.assert_allclose(make(entry), arrays[entry["key"]], rtol=0, atol=1e-14, err_msg=entry["key"])


def test_grid_is_that_of_the_reference(golden):
    grid = golden("gan/blur_kernels")[0]["mesh_grid_7"]
    assert np.array_equal(np.stack(kernels._grid(7), axis=-1), grid)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_shifted_kernel_keeps_subsampled_images_aligned(scale):
    """The center of mass moves by (scale - 1) / 2, to the center of the first block of scale x scale pixels."""
    kernel = kernels.shifted(kernels.fspecial(25, 1.0), scale)
    at = np.arange(25) - 12
    # A convolution takes pixel p - k for weight k; blurring spreads symmetrically around it.
    assert kernel.sum(0) @ at == pytest.approx(-(scale - 1) / 2, abs=1e-6)
    assert kernel.sum(1) @ at == pytest.approx(-(scale - 1) / 2, abs=1e-6)
