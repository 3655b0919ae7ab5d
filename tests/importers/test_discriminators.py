import numpy as np
import pytest

from tests.helpers import weight_files
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats, recognize
from wdsr_tf.importers.discriminators import export_discriminator, import_discriminator
from wdsr_tf.importers.formats import pytorch_writer
from wdsr_tf.models.discriminators import create_discriminator

FILES = {"unet-sn": "gan/unet_discriminator_sn", "vgg-128": "gan/vgg_discriminator"}


@pytest.fixture(params=FILES)
def released(request, golden, tmp_path):
    """(name, the tensors by their published names, a file of them as BasicSR writes it)."""
    arrays, _ = golden(FILES[request.param])
    tensors = {key[2:]: array for key, array in arrays.items() if key.startswith("w/")}
    pytorch_writer.write(tmp_path / "netD.pth", tensors, under="params")
    return request.param, tensors, tmp_path / "netD.pth"


def test_a_file_is_read_and_written_back_bit_for_bit(released, tmp_path):
    name, tensors, path = released
    model = import_discriminator(path)
    assert model.architecture == name
    assert export_discriminator(model, tmp_path / "back.pth") == len(tensors)
    back = formats.read(tmp_path / "back.pth").arrays
    weight_files.assert_same(dict(sorted(back.items())), dict(sorted(tensors.items())))
    export_discriminator(import_discriminator(tmp_path / "back.pth"), tmp_path / "again.pth")
    assert (tmp_path / "back.pth").read_bytes() == (tmp_path / "again.pth").read_bytes()


def test_wrappers_and_counters_of_batches_are_no_hindrance(released, tmp_path):
    name, tensors, path = released
    wrapped = {f"module.{key}": array for key, array in tensors.items()}
    if name == "vgg-128":
        wrapped["module.bn0_1.num_batches_tracked"] = np.array(7)
    np.savez(tmp_path / "wrapped.npz", **wrapped)
    ours, expected = import_discriminator(tmp_path / "wrapped.npz"), import_discriminator(path)
    for weight, other in zip(ours.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


def test_vgg_256_is_told_from_its_sixth_stage(tmp_path):
    model = create_discriminator("vgg-256", num_filters=2)
    export_discriminator(model, tmp_path / "netD.pth")
    back = import_discriminator(tmp_path / "netD.pth")
    assert back.recipe == model.recipe
    for weight, other in zip(back.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda t: t.pop("conv3.weight_v"),
            r"netD.pth \(PyTorch checkpoint\): the file has no tensor 'conv3.weight_v'",
        ),
        (lambda t: t.update({"conv3.weight_v": np.zeros(7, "f4")}), r"don't fit the discriminator unet-sn"),
        (lambda t: t.update({"conv3.weight_u": np.zeros(7, "f4")}), r"wrong shape: conv_3"),
        (lambda t: t.update({"conv10.weight": np.zeros((1, 1, 3, 3), "f4")}), r"unused: conv10.weight"),
        (lambda t: t.update({"conv0.weight": np.zeros((8, 3, 4, 4), "f4")}), r"conv0.weight has shape \(8, 3, 4, 4\)"),
        (lambda t: t.update({"conv0.weight": np.zeros((2000, 3, 3, 3), "f4")}), r"many more weights than the file's"),
        (lambda t: t.update({"conv0.weight": np.zeros((9000, 3, 3, 3), "f4")}), r"'num_filters' is 9000, which no"),
        (
            lambda t: t.pop("conv9.weight"),
            r"aren't those of a known discriminator. Real-ESRGAN's U-Net has conv0.weight",
        ),
    ],
)
def test_a_damaged_or_forged_file_is_refused_with_the_reason(golden, tmp_path, change, message):
    arrays, _ = golden(FILES["unet-sn"])
    tensors = {key[2:]: array for key, array in arrays.items() if key.startswith("w/")}
    change(tensors)
    pytorch_writer.write(tmp_path / "netD.pth", tensors, under="params")
    with pytest.raises(InputError, match=message):
        import_discriminator(tmp_path / "netD.pth")


def test_what_upscales_with_a_discriminator_is_told_what_it_is(released):
    _, tensors, _ = released
    with pytest.raises(InputError, match=r"this is a discriminator, .*, and doesn't upscale"):
        recognize.recognize(tensors)


def test_what_no_project_can_read_is_not_written(tmp_path):
    with pytest.raises(
        InputError, match=r"patchgan can't be written for PyTorch.* that can: unet-sn, vgg-128, vgg-256"
    ):
        export_discriminator(create_discriminator("patchgan", num_filters=2), tmp_path / "netD.pth")
    unet = create_discriminator("unet-sn", num_filters=2)
    with pytest.raises(InputError, match=r"netD.npz: A discriminator is written for PyTorch. End the name in .pth"):
        export_discriminator(unet, tmp_path / "netD.npz")
    unet.get_layer("conv_0").bias.assign([np.nan, 0])
    with pytest.raises(InputError, match=r"aren't finite: conv0.bias"):
        export_discriminator(unet, tmp_path / "netD.pth")
    assert not list(tmp_path.iterdir())
