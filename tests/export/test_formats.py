import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.export import formats


def test_a_format_that_is_named_twice_is_written_once():
    assert formats.demand(["saved_model", "saved_model"]) == ["saved_model"]


@pytest.mark.parametrize(
    "names, message",
    [
        ([], "No export format given. Choose from onnx, openvino, litert, saved_model"),
        (["tflite"], "Unknown export format 'tflite'.* Choose from onnx"),
        (["savedmodel"], "Did you mean 'saved_model'?"),
    ],
)
def test_unknown_formats_are_refused_with_the_known_ones(names, message):
    with pytest.raises(InputError, match=message):
        formats.demand(names)


@pytest.mark.parametrize(
    "name, module, package, extra",
    [
        ("onnx", "onnx", "onnx", "train"),
        ("onnx", "onnxruntime", "onnxruntime", "train"),
        ("openvino", "onnx", "onnx", "openvino"),
        ("openvino", "openvino", "openvino", "openvino"),
        ("litert", "ai_edge_litert", "ai-edge-litert", "litert"),
    ],
)
def test_a_missing_package_is_named_with_the_extra_that_installs_it(monkeypatch, name, module, package, extra):
    monkeypatch.setattr(formats, "is_installed", lambda each: each != module)
    with pytest.raises(
        InputError, match=rf"The export format {name} needs {package}, which .*pip install .*\[{extra}\]"
    ):
        formats.demand(["saved_model", name])
