"""Exports models to ONNX, OpenVINO, LiteRT and SavedModel: `wdsr_tf.export(model, "out", formats=["onnx"])`."""

PICTURE = "/picture"  # in the names of nodes that convert or interpolate the image itself, outside the network
