"""Writes what happens at the borders of images as ONNX nodes: padding and cropping."""

from wdsr_tf.export.graph import int64, refuse

HEIGHT, WIDTH = 2, 3
MIRRORS = ("symmetric", "reflect")


def inference_pad(graph, layer, x):
    if layer.mode in MIRRORS:
        return mirrored(graph, x, layer.size, layer.multiple, layer.mode)
    if layer.multiple > 1:
        refuse(layer, f"pads to a multiple in mode {layer.mode}")
    return padded(graph, x, layer.size, mode={"edge": "edge", "zeros": "constant"}[layer.mode])


def padded(graph, x, size, after=None, mode="constant"):
    """Pads height and width by `size` pixels before, and by `after` = (bottom, right), by default `size`, behind."""
    bottom, right = after or (size, size)
    return graph.op("Pad", x, int64(0, 0, size, size, 0, 0, bottom, right), mode=mode)


def mirrored(graph, x, size, multiple=1, mode="symmetric"):
    """Pads by `size` pixels, and at the end up to a multiple, in NumPy's mode "symmetric" or "reflect".

    Few runtimes compute with shapes, so the nodes have constant sizes wherever images may be smaller than `size` all
    the same: always in mode "symmetric" without a multiple, and for a fixed tile in mode "reflect".
    """
    if mode == "symmetric" and multiple == 1:
        return _repeated(graph, x, size)
    if graph.size(x) and mode == "reflect":
        after = [size + -(length + 2 * size) % multiple for length in graph.size(x)]
        if max(after) < min(graph.size(x)):
            return padded(graph, x, size, after, mode="reflect")
    return _gathered(graph, x, size, multiple, mode)


def _repeated(graph, x, size):
    """Mirrors `size` pixels with the edge itself, which ONNX's Pad can't.

    The edge is repeated once, and then one more pixel is copied at a time: what belongs outside of n mirrored pixels
    is the pixel 2 n from the new end, which even the smallest image has by then.
    """
    x = padded(graph, x, 1, mode="edge")
    for n in range(1, size):
        for axis in (HEIGHT, WIDTH):
            first = graph.op("Slice", x, int64(2 * n), int64(2 * n + 1), int64(axis))
            last = graph.op("Slice", x, int64(-2 * n - 1), int64(-2 * n), int64(axis))
            x = graph.op("Concat", first, x, last, axis=axis)
    return x


def _gathered(graph, x, size, multiple, mode):
    """Mirrors pixels by computed indices, whatever the size of the image."""
    repeat = int(mode == "symmetric")
    for axis in (HEIGHT, WIDTH):
        length = graph.op("Squeeze", graph.lengths(x, axis, axis + 1))
        end = graph.op("Add", length, int64(size)[0])
        if multiple > 1:
            whole = graph.op("Add", end, int64(size)[0])
            end = graph.op("Add", end, graph.op("Mod", graph.op("Neg", whole), int64(multiple)[0]))
        index = graph.op("Range", int64(-size)[0], end, int64(1)[0])
        period = graph.op("Mul", length, int64(2)[0])
        if not repeat:
            period = graph.op("Max", graph.op("Sub", period, int64(2)[0]), int64(1)[0])
        index = graph.op("Mod", index, period)
        back = graph.op("Sub", graph.op("Sub", period, int64(repeat)[0]), index)
        x = graph.op("Gather", x, graph.op("Min", index, back), axis=axis)
    return x


def pad_to_multiple(graph, layer, x):
    if graph.size(x):
        missing = [-length % layer.multiple for length in graph.size(x)]
        return padded(graph, x, 0, missing, layer.mode) if any(missing) else x
    if layer.mode == "reflect":
        return mirrored(graph, x, 0, layer.multiple, "reflect")
    missing = graph.op("Mod", graph.op("Neg", graph.lengths(x)), int64(layer.multiple))
    return graph.op("Pad", x, graph.op("Concat", int64(0, 0, 0, 0, 0, 0), missing, axis=0), mode="edge")


def crop_to_match(graph, layer, x, like):
    if graph.size(like):
        kept = [layer.scale * (length - 2 * layer.border) + layer.keep for length in graph.size(like)]
        ends = int64(*kept)
        return x if tuple(kept) == graph.size(x) else graph.op("Slice", x, int64(0, 0), ends, int64(HEIGHT, WIDTH))
    ends = graph.op("Mul", graph.op("Sub", graph.lengths(like), int64(2 * layer.border)), int64(layer.scale))
    ends = graph.op("Add", ends, int64(layer.keep)) if layer.keep else ends
    return graph.op("Slice", x, int64(0, 0), ends, int64(HEIGHT, WIDTH))
