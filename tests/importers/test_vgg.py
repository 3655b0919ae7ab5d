import keras
import numpy as np
import pytest

from tests.helpers import weight_files
from wdsr_tf import files
from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import limits, pytorch_writer
from wdsr_tf.importers.vgg import PUBLISHED, find_weights, read_weights
from wdsr_tf.losses import vgg

WIDTHS = (2, 2, 3, 3, *[4] * 12)
RANDOM = np.random.default_rng(3)
KERNELS = [RANDOM.normal(size=(3, 3, *pair)).astype("f4") for pair in zip((3, *WIDTHS), WIDTHS, strict=False)]
BIASES = [RANDOM.normal(size=width).astype("f4") for width in WIDTHS]
DENSE = np.zeros((64, 1024), "f4")  # stands for the classifier, 86% of a published file
INDICES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)  # torchvision's vgg19().features


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """VGG-19 with a few channels, in folders without downloaded files; a classifier exceeds what may be read."""
    monkeypatch.setattr(vgg, "SHAPES", tuple(kernel.shape for kernel in KERNELS))
    monkeypatch.setattr(limits, "MAX_BYTES", DENSE.nbytes - 1)


@pytest.fixture(autouse=True)
def caches(monkeypatch, tmp_path):
    """The folders in which PyTorch and Keras keep weights: {source: folder}."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    folders = {"torchvision": tmp_path / "torch" / "hub" / "checkpoints", "keras": tmp_path / "keras" / "models"}
    for folder in folders.values():
        folder.mkdir(parents=True)
    return folders


def torch_arrays(indices=INDICES, kernels=KERNELS):
    pairs = zip(indices, kernels, BIASES, strict=False)
    arrays = [(f"features.{i}", {"weight": kernel.transpose(3, 2, 0, 1), "bias": bias}) for i, kernel, bias in pairs]
    return {f"{layer}.{part}": array for layer, parts in arrays for part, array in parts.items()}


def write_torchvision(path):
    pytorch_writer.write(path, torch_arrays() | {"classifier.0.weight": DENSE})
    return path


def write_old_torchvision(path):
    """As PyTorch wrote before version 1.6, which is when torchvision's file was made."""
    arrays = torch_arrays() | {"classifier.0.weight": DENSE}
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    code = weight_files.pickled(weight_files.tensors(arrays, legacy=True))
    return weight_files.pytorch_legacy(path, code, list(arrays.values()))


def write_keras(path):
    """As Keras 1 named its variables, which is when Keras's file was made."""
    import h5py

    with h5py.File(path, "w") as file:
        layers = [f"block{name.replace('_', '_conv')}" for name in vgg.CONVOLUTIONS]
        file.attrs["layer_names"] = [b"input_1", *(layer.encode() for layer in layers), b"fc1"]
        file.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
        for layer, kernel, bias in zip((*layers, "fc1"), (*KERNELS, DENSE), (*BIASES, BIASES[0]), strict=True):
            names = [f"{layer}_W_1:0", f"{layer}_b_1:0"]
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in names]
            group[names[0]], group[names[1]] = kernel, bias
    return path


def write_keras_3(path):
    convolutions = (keras.layers.Conv2D(width, 3, padding="same") for width in WIDTHS)
    model = keras.Sequential([keras.Input((8, 8, 3)), *convolutions])
    model.set_weights([array for pair in zip(KERNELS, BIASES, strict=True) for array in pair])
    model.save_weights(path)
    return path


@pytest.mark.parametrize(
    "write, name, source, normalization",
    [
        (write_torchvision, "vgg19-dcbb9e9d.pth", "torchvision", "torchvision"),
        (write_torchvision, "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5", "torchvision", "torchvision"),
        (write_old_torchvision, "vgg.pth", "torchvision", "torchvision"),
        (write_keras, "vgg19_weights_tf_dim_ordering_tf_kernels.h5", "keras", "caffe"),
        (write_keras, "vgg19-dcbb9e9d.pth", "keras", "caffe"),
        (write_keras_3, "vgg.weights.h5", "keras", "caffe"),
    ],
)
def test_a_file_is_recognized_by_its_tensors_and_its_classifier_is_not_read(
    write, name, source, normalization, tmp_path
):
    path = write(tmp_path / name)
    weights = find_weights(path)
    for ours, expected in ((weights.kernels, KERNELS), (weights.biases, BIASES)):
        assert len(ours) == 16 and all(map(np.array_equal, ours, expected))
    assert weights.facts() == {
        "source": source,
        "file": name,
        "sha256": files.sha256(path),
        "normalization": normalization,
    }


def test_both_caches_are_searched_the_preferred_source_first(caches):
    keras_file = write_keras(caches["keras"] / "vgg19_weights_tf_dim_ordering_tf_kernels.h5")
    assert find_weights().file == keras_file.name
    torch_file = write_torchvision(caches["torchvision"] / "vgg19-dcbb9e9d.pth")
    assert find_weights().file == torch_file.name
    assert find_weights(prefer="keras").file == keras_file.name
    keras_file.with_name("vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5").write_bytes(keras_file.read_bytes())
    assert "notop" in find_weights(prefer="keras").file


def test_without_variables_the_caches_are_in_the_home_folder(monkeypatch, tmp_path):
    for name in ("TORCH_HOME", "KERAS_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".cache" / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    write_torchvision(folder / "vgg19-dcbb9e9d.pth")
    assert find_weights().source == "torchvision"
    (folder / "vgg19-dcbb9e9d.pth").unlink()
    with pytest.raises(InputError, match=str(tmp_path / ".keras" / "models")):
        find_weights()


def test_without_a_file_the_message_says_what_to_download_from_where_into_which_folder(caches):
    with pytest.raises(InputError) as error:
        find_weights()
    message = str(error.value)
    for source, published in PUBLISHED.items():
        for part in (published.files[0], published.hash, published.page, str(caches[source])):
            assert part in message
    assert "--vgg-weights FILE" in message and "A perceptual weight of 0 trains without it" in message


def test_files_of_other_networks_are_refused(tmp_path):
    def refused(arrays, message):
        pytorch_writer.write(tmp_path / "other.pth", arrays)
        with pytest.raises(InputError, match=message):
            read_weights(tmp_path / "other.pth")

    refused(weight_files.ARRAYS, r"the file is of another network: its 3 tensors are 'conv\.weight', 'conv\.bias'")
    vgg16 = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    refused(torch_arrays(vgg16), r"isn't VGG-19: it has 13 convolutions .* expected 16 with both")
    without_bias = {name: array for name, array in torch_arrays().items() if name != "features.34.bias"}
    refused(without_bias, r"isn't VGG-19: it has 16 convolutions with kernel or bias; expected 16 with both")
    wider = [*KERNELS[:-1], np.concatenate([KERNELS[-1]] * 2, axis=-1)]
    refused(torch_arrays(kernels=wider), r"conv5_4 has a kernel \(3, 3, 4, 8\) .* expected \(3, 3, 4, 4\) and \(4,\)")


def test_a_damaged_file_in_a_cache_is_named(caches):
    path = write_torchvision(caches["torchvision"] / "vgg19-dcbb9e9d.pth")
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(InputError, match=rf"{path} \(PyTorch checkpoint\)"):
        find_weights()


def test_an_unknown_source_is_refused():
    with pytest.raises(InputError, match=r"Unknown source of VGG-19 'caffe'.*torchvision, keras"):
        find_weights(prefer="caffe")
