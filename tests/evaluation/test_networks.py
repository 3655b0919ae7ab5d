import dataclasses
import hashlib

import numpy as np
import pytest

from tests.evaluation.test_measure import save_network
from tests.helpers.networks import assert_equals_golden, nhwc
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation import networks
from wdsr_tf.evaluation.networks import Network
from wdsr_tf.importers import formats

pytestmark = pytest.mark.usefixtures("empty_cache")


def test_checkpoints_are_found_below_a_folder_without_states_and_partial_files(tmp_path):
    for name in (
        "run/models/epoch-002.keras",
        "run/models/epoch-001.keras",
        "run/models/.ab12.keras",
        "run/state.keras",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "models").symlink_to(tmp_path / "run" / "models", target_is_directory=True)
    runs = [tmp_path / "run" / "models" / f"epoch-00{i}.keras" for i in (1, 2)]
    assert networks.find(tmp_path) == [Network(str(path), path) for path in runs]
    assert [n.path.name for n in networks.find(tmp_path / "models")] == ["epoch-001.keras", "epoch-002.keras"]
    assert networks.find(runs[1]) == [Network(str(runs[1]), runs[1])]


@pytest.mark.parametrize("name, message", [("empty", "no checkpoints"), ("absent", "No such file or folder")])
def test_a_folder_without_checkpoints_is_an_error(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        networks.find(tmp_path / name)


def test_models_are_given_as_paths_folders_loaded_models_lists_or_by_name(tmp_path):
    model = save_network(tmp_path / "folder" / "a.keras")
    path = tmp_path / "folder" / "a.keras"
    assert networks.collect(path) == networks.collect(str(path)) == [Network(str(path), path)]
    assert networks.collect(tmp_path / "folder") == [Network(str(path), path)]
    (loaded,) = networks.collect(model)
    assert (loaded.name, loaded.scales, loaded.load(2)) == ("wdsr-a-x2", (2,), model)
    assert networks.collect([path, model]) == [Network(str(path), path), loaded]
    assert networks.collect({"ours": path, "again": str(path)}) == [Network("ours", path), Network("again", path)]
    (named,) = networks.collect({"loaded": model})
    assert (named.name, named.model) == ("loaded", model)


@pytest.mark.parametrize(
    "models, message",
    [
        ({"a": "absent.keras"}, "absent.keras: No such file, for the model 'a'"),
        ({"bicubic": "."}, "'bicubic' names the row to compare with. Choose another name"),
        ([], "no models"),
        ({}, "no models"),
    ],
)
def test_models_that_cannot_be_ranked_are_an_error(models, message):
    with pytest.raises(InputError, match=message):
        networks.collect(models)


def test_two_models_of_one_name_are_an_error(tmp_path):
    model = save_network(tmp_path / "a.keras")
    with pytest.raises(InputError, match=r"Two models are named 'wdsr-a-x2'\. Give each a name"):
        networks.collect([model, model])


def test_networks_of_different_scales_are_ranked_only_at_a_chosen_scale(tmp_path):
    two, three = (Network(name, tmp_path / f"{name}.keras") for name in ("two", "three"))
    for scale, network in ((2, two), (3, three)):
        save_network(network.path, scale=scale)
    assert networks.of_one_scale([three]) == ([three], 3, {})
    with pytest.raises(InputError, match=r"(?s)Choose a scale.*x2 two.*x3 three"):
        networks.of_one_scale([two, three])
    assert networks.of_one_scale([two, three], 2) == ([two], 2, {"three": "is x3, not x2"})


def write_srcnn(path, seed=0):
    """Published weights of SRCNN, which fit every scale, under the names of their PyTorch projects."""
    shapes = {"conv1": (64, 1, 9, 9), "conv2": (32, 64, 1, 1), "conv3": (1, 32, 5, 5)}
    random = np.random.default_rng(seed)
    arrays = {f"{name}.weight": random.normal(0, 0.01, shape).astype("float32") for name, shape in shapes.items()}
    biases = {f"{name}.bias": np.zeros(shape[0], "float32") for name, shape in shapes.items()}
    np.savez(path, **arrays, **biases)


@pytest.fixture
def every_scale(tmp_path):
    write_srcnn(tmp_path / "srcnn.npz")
    return Network("srcnn", tmp_path / "srcnn.npz")


def test_published_weights_are_ranked_at_any_of_their_scales(tmp_path, every_scale):
    three = Network("three", tmp_path / "three.keras")
    save_network(three.path, scale=3)
    assert every_scale.scales == (2, 3, 4)
    assert networks.of_one_scale([every_scale], 4) == ([every_scale], 4, {})
    assert networks.of_one_scale([every_scale, three]) == ([every_scale, three], 3, {})  # the only common scale
    with pytest.raises(InputError, match=r"(?s)Choose a scale.*x2, x3, x4 srcnn"):
        networks.of_one_scale([every_scale])
    failed = {"srcnn": "is x2, x3, x4, not x5"}
    assert networks.of_one_scale([every_scale], 5) == ([], 5, failed)


def test_published_weights_are_loaded_for_the_scale(every_scale):
    model = every_scale.load(3)
    assert (model.architecture, model.scale) == ("srcnn", 3)
    with np.load(every_scale.path) as arrays:
        expected = arrays["conv1.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(model.get_layer("head").get_weights()[0], expected)


def test_a_file_for_several_scales_is_ranked_at_each_with_its_upsampler(tmp_path):
    from wdsr_tf.importers.export_weights import export_weights
    from wdsr_tf.models import create_model

    source = create_model("carn-m", 2, multi_scale=True)
    export_weights(source, tmp_path / "carn.npz", "pytorch")
    network = Network("carn", tmp_path / "carn.npz")
    with np.load(network.path) as arrays:
        held = dict(arrays)
    assert network.scales == (2, 3, 4)
    for scale, published in ((2, "upsample.up2.body.0"), (3, "upsample.up3.body.0"), (4, "upsample.up4.body.0")):
        assert networks.of_one_scale([network], scale) == ([network], scale, {})
        model = network.load(scale)
        assert (model.scale, model.hyperparameters["multi_scale"]) == (scale, True)
        kernel = model.get_layer("upsampler").of(scale)[0].get_weights()[0]
        np.testing.assert_array_equal(kernel, held[f"{published}.weight"].transpose(2, 3, 1, 0))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_published_carn_m_is_loaded_for_each_scale(golden, reference, scale):
    model = Network("carn", reference / "weights" / "carn_m.pth").load(scale)
    arrays, _ = golden("carn_m_published")
    assert_equals_golden(model(255 * nhwc(arrays["input"])) / 255, nhwc(arrays[f"output_x{scale}"]))


def test_sha256_is_that_of_the_file(tmp_path, every_scale):
    assert every_scale.sha256 == hashlib.sha256(every_scale.path.read_bytes()).hexdigest()
    (tmp_path / "a.keras").write_bytes(b"PK")
    assert Network("a", tmp_path / "a.keras").sha256 == hashlib.sha256(b"PK").hexdigest()


def test_weights_that_fit_several_networks_are_not_guessed(every_scale, monkeypatch):
    from wdsr_tf.importers import recognize

    one = recognize.recognize(formats.read(every_scale.path).arrays)[0]
    monkeypatch.setattr(recognize, "recognize", lambda *given: [one, dataclasses.replace(one, name="other")])
    with pytest.raises(InputError, match=r"(?s)srcnn\.npz.*srcnn.*other.*convert weights"):
        every_scale.load(2)


def test_a_damaged_weights_file_is_named_with_its_reason(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK")
    found, _, failed = networks.of_one_scale([Network("a", tmp_path / "a.npz")], 2)
    assert found == [] and "a.npz" in failed["a"]
