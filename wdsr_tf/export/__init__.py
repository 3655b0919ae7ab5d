"""Networks leave the house here: `onnx.to_onnx(model)`."""

PICTURE = "/picture"  # in the names of nodes that compute colors and sizes of the picture itself: no part of a network
