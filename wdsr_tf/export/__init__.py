"""Exports models to ONNX, OpenVINO, LiteRT and SavedModel. `wdsr_tf.export` is the function for Python users."""

PICTURE = "/picture"  # in the names of nodes that convert or interpolate the image itself, outside the network
