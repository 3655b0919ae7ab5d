"""The public API: what `import wdsr_tf` offers."""

import importlib
import inspect
import json
import pydoc
import subprocess
import sys

import numpy as np
import pytest

import wdsr_tf
from tests.conftest import REPOSITORY
from tests.evaluation.test_measure import save_network
from tests.helpers import published
from wdsr_tf import images

FUNCTIONS = ["create_model", "evaluate", "export", "interpolate", "list_models", "load", "train", "upscale"]
OF_COMMANDS = {"measure_networks"}  # where models are measured: a cluster is a flag of bench.py alone

pytestmark = pytest.mark.usefixtures("empty_cache")


def test_the_api_is_complete():
    assert sorted(wdsr_tf.__all__) == sorted([*FUNCTIONS, "InputError", "TrainingConfig", "Upscaler", "data", "images"])
    assert all(name in dir(wdsr_tf) and getattr(wdsr_tf, name) is not None for name in wdsr_tf.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'enlarge'"):
        wdsr_tf.enlarge  # noqa: B018


def test_import_imports_nothing_heavy():
    code = """
import wdsr_tf
import json, sys
heavy = {"keras", "tensorflow", "jax", "onnxruntime", "openvino", "numpy", "PIL", "absl"}
print(json.dumps(sorted(heavy & sys.modules.keys())))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_type_checkers_find_the_annotations():
    assert (REPOSITORY / "wdsr_tf" / "py.typed").is_file()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_is_annotated_and_documented(name):
    check_documented(getattr(wdsr_tf, name))


def test_public_classes_are_annotated_and_documented():
    check_documented(wdsr_tf.Upscaler.__init__, wdsr_tf.Upscaler.__doc__, is_constructor=True)
    for name in ("upscale", "upscale_file", "result_size"):
        check_documented(getattr(wdsr_tf.Upscaler, name), sections=False)
    assert inspect.getdoc(wdsr_tf.TrainingConfig)
    for parameter in inspect.signature(wdsr_tf.TrainingConfig).parameters.values():
        assert parameter.annotation is not parameter.empty and parameter.kind is parameter.KEYWORD_ONLY


def check_documented(function, text=None, is_constructor=False, sections=True):
    """Asserts that all parameters and the result have annotations, and the docstring has the sections they need."""
    signature = inspect.signature(function)
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    assert [p.name for p in parameters if p.annotation is p.empty] == []
    assert is_constructor or signature.return_annotation is not signature.empty
    text = inspect.cleandoc(text or function.__doc__)
    assert text.splitlines()[0].endswith(".")
    if not sections:
        return
    if parameters:
        described = text.partition("\nArgs:\n")[2].partition("\n\n")[0]
        names = [line.split(":")[0].strip(" *") for line in described.splitlines() if line[4:5] not in (" ", "")]
        assert names == [p.name for p in parameters]
        assert "\nRaises:\n    InputError: " in text
    if not is_constructor:
        assert "\nReturns:\n" in text


@pytest.mark.parametrize("name, module", [("train", "training.train"), ("evaluate", "evaluation.evaluate")])
def test_a_public_function_takes_what_its_implementation_takes(name, module):
    implementation = getattr(importlib.import_module(f"wdsr_tf.{module}"), name)
    public, inner = (inspect.signature(function).parameters for function in (getattr(wdsr_tf, name), implementation))
    taken = [parameter for parameter in inner.values() if parameter.name not in OF_COMMANDS]
    assert [*map(declared, public.values())] == [*map(declared, taken)]


def test_options_of_upscale_are_those_of_upscaler():
    options = inspect.signature(wdsr_tf.upscale).parameters
    upscaler = inspect.signature(wdsr_tf.Upscaler).parameters
    for name in options.keys() - {"image", "progress"}:
        assert declared(options[name]) == declared(upscaler[name])


def declared(parameter):
    return parameter.name, parameter.kind, parameter.default


def test_pydoc_shows_functions_and_classes():
    text = pydoc.plain(pydoc.render_doc(wdsr_tf))
    assert all(f"\n    {name}(" in text for name in FUNCTIONS)
    assert "class Upscaler" in text and "class TrainingConfig" in text and "__getattr__" not in text


def test_export_stays_a_function_after_its_package_is_imported():
    import wdsr_tf.export.formats
    from wdsr_tf.export import parity

    assert parity.__name__ == "wdsr_tf.export.parity"
    assert inspect.isfunction(wdsr_tf.export)


def test_models_are_listed_and_created():
    assert "wdsr-a" in wdsr_tf.list_models() and wdsr_tf.list_models() == sorted(wdsr_tf.list_models())
    model = wdsr_tf.create_model("wdsr-a", 3, num_filters=4, num_res_blocks=1)
    assert (model.architecture, model.scale, model.hyperparameters["num_filters"]) == ("wdsr-a", 3, 4)
    with pytest.raises(wdsr_tf.InputError, match="wdsr-a"):
        wdsr_tf.create_model("wdsr", 2)


def test_a_checkpoint_is_loaded(tmp_path):
    saved = save_network(tmp_path / "a.keras")
    model = wdsr_tf.load(tmp_path / "a.keras", model="wdsr-a", scale=2, num_filters=4)
    for ours, theirs in zip(model.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for options, message in (
        ({"scale": 3}, "The scale is 2, not 3"),
        ({"model": "edsr"}, "The architecture is 'wdsr-a', not 'edsr'"),
        ({"num_filters": 8}, "The num filters is 4, not 8"),
    ):
        with pytest.raises(wdsr_tf.InputError, match=message):
            wdsr_tf.load(tmp_path / "a.keras", **options)
    with pytest.raises(wdsr_tf.InputError, match="absent"):
        wdsr_tf.load(tmp_path / "absent.keras")


def test_published_weights_are_loaded(tmp_path):
    np.savez(tmp_path / "edsr.npz", **published.edsr(2).arrays)
    model = wdsr_tf.load(tmp_path / "edsr.npz", res_scaling=0.5)
    assert (model.architecture, model.scale, model.hyperparameters["res_scaling"]) == ("edsr", 2, 0.5)
    with pytest.raises(wdsr_tf.InputError, match=r"edsr\.npz"):
        wdsr_tf.load(tmp_path / "edsr.npz", scale=3)


def test_models_are_evaluated(tmp_path):
    images.write(tmp_path / "hr" / "a.png", np.random.default_rng(0).integers(0, 256, (20, 24, 3), "uint8"))
    ranking = wdsr_tf.evaluate({"ours": save_network(tmp_path / "a.keras")}, benchmark=tmp_path / "hr")
    assert ranking.best[1] == "ours" and "ours" in ranking.table()


def test_a_model_is_exported_with_its_card(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    model = save_network(tmp_path / "small.keras")
    (card,) = wdsr_tf.export(tmp_path / "small.keras", tmp_path / "out")
    assert card["file"] == "small.onnx" and (tmp_path / "out" / "small.onnx").is_file()
    (card,) = wdsr_tf.export(model, tmp_path / "out", image=True)
    assert card["file"] == "wdsr-a-x2.onnx" and card["image"] is True and "checkpoint_sha256" not in card
    with pytest.raises(wdsr_tf.InputError, match="onx"):
        wdsr_tf.export(model, tmp_path / "out", formats=["onx"])


def test_a_format_that_fails_is_an_error_and_the_others_are_written(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert")
    from wdsr_tf.export import litert

    def fail(*_):
        raise wdsr_tf.InputError("It can't be converted.")

    monkeypatch.setattr(litert, "write", fail)
    model = save_network(tmp_path / "small.keras")
    with pytest.raises(wdsr_tf.InputError, match="litert: It can't be converted"):
        wdsr_tf.export(model, tmp_path / "out", formats=["litert", "saved_model"])
    assert min(path.name for path in (tmp_path / "out").iterdir()) == "wdsr-a-x2.saved_model"


def test_an_image_is_upscaled():
    pytest.importorskip("onnxruntime")
    small = np.random.default_rng(0).integers(0, 256, (9, 12, 3), "uint8")
    assert wdsr_tf.upscale(small, scale=2).shape == (18, 24, 3)


def test_without_keras_the_message_says_how_to_install_it(monkeypatch):
    from wdsr_tf.system import quiet

    def absent():
        raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")

    monkeypatch.setattr(quiet, "load_keras", absent)
    with pytest.raises(wdsr_tf.InputError, match=r"Building a model needs tensorflow.*pip install .*\[train\]"):
        wdsr_tf.create_model("wdsr-a", 2)
