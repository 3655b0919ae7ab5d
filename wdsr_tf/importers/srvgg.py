"""Real-ESRGAN's SRVGGNetCompact: `body.0` to `body.{2n + 2}`, convolutions and PReLUs in turn."""

from wdsr_tf.importers.project import Candidate, MismatchError, Project


def official(tensors, model):
    """Even numbers are convolutions, odd ones PReLU slopes; the last convolution feeds the pixel shuffle."""
    blocks = model.hyperparameters["num_res_blocks"]
    inner = model.hyperparameters["inner_scale"] or model.scale
    weights = {f"tail_x{inner}": tensors.conv(f"body.{2 * blocks + 2}", shuffle=inner)}
    for i in range(blocks + 1):
        ours = f"body_{i - 1}" if i else "head"
        weights[ours] = tensors.conv(f"body.{2 * i}")
        weights[f"{ours}_prelu"] = tensors.prelu(f"body.{2 * i + 1}")
    return weights


def in_order(tensors, model):
    """The layers in the graph's order, as in ncnn files, whose names say nothing."""
    blocks = model.hyperparameters["num_res_blocks"]
    tensors.rename_layers([f"body.{i}" for i in range(2 * blocks + 3)])
    return official(tensors, model)


def _detect_in_order(contents):
    layers = contents.layers()
    if contents.has("body.0.weight") or any("weight" not in parts for parts in layers.values()):
        return
    ranks = [len(parts["weight"]) for parts in layers.values()]
    if len(ranks) < 5 or ranks != [4, 1] * (len(ranks) // 2) + [4]:
        return
    names = {layer: f"body.{i}" for i, layer in enumerate(layers)}
    yield from _detect(contents.renamed({f"{a}.{part}": f"{b}.{part}" for a, b in names.items() for part in layers[a]}))


def _detect(contents):
    if not contents.has("body.0.weight", "body.1.weight", "body.2.weight"):
        return
    if len(contents.shapes["body.1.weight"]) != 1:
        return
    filters = contents.filters("body.0.weight", 3, 3)
    highest = max(int(name.split(".")[1]) for name in contents.shapes if name.startswith("body."))
    if highest % 2 or highest < 4:
        raise MismatchError(f"its last layer is body.{highest}, which isn't a convolution after a PReLU")
    last = f"body.{highest}.weight"
    inner = contents.shuffle_factor(last, 3)
    options = {"num_filters": filters, "num_res_blocks": (highest - 2) // 2}
    if contents.facts.get("resize", 1) == 1:
        yield Candidate("srvgg", (inner,), options)
    else:  # the graph resizes what these weights make
        yield Candidate("srvgg", (contents.facts["scale"],), options | {"inner_scale": inner})


PROJECTS = [
    Project("xinntao/Real-ESRGAN (SRVGGNetCompact)", official, _detect),
    Project("xinntao/Real-ESRGAN (SRVGGNetCompact, layers in order)", in_order, _detect_in_order),
]
