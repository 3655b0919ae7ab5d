import importlib.util

import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.export import formats


def test_a_format_that_is_named_twice_is_written_once():
    assert formats.demand(["saved_model", "saved_model"]) == ["saved_model"]


@pytest.mark.parametrize(
    "names, message",
    [
        ([], "--format names what to export to: onnx, openvino, litert, saved_model"),
        (["tflite"], "there is no format 'tflite'.*known are onnx"),
        (["savedmodel"], "did you mean saved_model"),
    ],
)
def test_unknown_formats_are_refused_with_the_known_ones(names, message):
    with pytest.raises(InputError, match=message):
        formats.demand(names)


@pytest.mark.parametrize(
    "name, packages, extra",
    [
        ("onnx", "onnx and onnxruntime", "onnx"),
        ("openvino", "onnx and openvino", "openvino"),
        ("litert", "ai-edge-litert", "litert"),
    ],
)
def test_what_is_not_installed_is_named_with_the_extra_that_installs_it(monkeypatch, name, packages, extra):
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    with pytest.raises(InputError, match=rf"needs {packages}: pip install 'wdsr-tf\[{extra}\]'"):
        formats.demand(["saved_model", name])
