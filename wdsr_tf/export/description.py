"""What exported files say about themselves: ONNX's `metadata_props`, OpenVINO's `rt_info`, LiteRT's `description`."""

import dataclasses
import json

from wdsr_tf.export.form import Form
from wdsr_tf.models import SRModel
from wdsr_tf.models.receptive_field import of_graph


def described(model: SRModel, form: Form) -> dict[str, str]:
    """Returns what a caller has to know, as texts."""
    said = {
        "architecture": model.architecture,
        "scale": str(model.scale),
        "layout": form.layout.upper(),
        "colors": "RGB",
        "range": form.value_range,
        "dtype": form.dtype,
        "precision": form.precision,
        "receptive_field": json.dumps(dataclasses.asdict(of_graph(model))),
    }
    return said | ({"tile": "{}x{}".format(*form.tile)} if form.tile else {})


def sentence(model: SRModel, form: Form) -> str:
    """Returns the same for people who open the file in a viewer."""
    size = "one image of {} x {} pixels".format(*form.tile) if form.tile else "images of any size"
    return (
        f"{model.architecture} x{model.scale}. Takes {size} and returns them {model.scale} times as large, both as RGB "
        f"in {form.value_range}, {form.layout.upper()}, {form.dtype}; not normalized."
    )
