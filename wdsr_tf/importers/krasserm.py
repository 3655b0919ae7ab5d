"""krasserm/wdsr's layouts for WDSR and EDSR: kernels and biases in the order in which Keras made the layers.

Keras numbers layers through a whole session (`conv2d_62`), so order is all that identifies them: head, blocks, then
for EDSR the convolution behind the blocks, the upsampler and the tail, for WDSR tail and skip.
"""


def in_order(tensors, model):
    """`.../kernel` and `.../bias` (or g, v, bias) in the order of the file -> our layers in the same order."""
    weights = {name: [] for name in layer_order(model)}
    per_layer = 3 if model.hyperparameters["weight_norm"] else 2
    names = iter(list(tensors.left()))
    for arrays in weights.values():
        arrays += [tensors.take(name) for _, name in zip(range(per_layer), names, strict=False)]
    return weights


def layer_order(model):
    """The names of our layers with weights, in the order in which krasserm's code makes them."""
    scale, blocks = model.scale, model.hyperparameters["num_res_blocks"]
    if model.architecture == "edsr":
        stages = {2: [2], 3: [3], 4: [2, 2]}[scale]
        body = [f"body_{i}_conv_{k}" for i in range(blocks) for k in (1, 2)] + ["body_out"]
        return ["head", *body, *(f"upsampler_x{f}_{i}" for i, f in enumerate(stages, 1)), "tail"]
    parts = ("expand", "project") if model.architecture == "wdsr-a" else ("expand", "low_rank", "project")
    return ["head", *(f"body_{i}_{part}" for i in range(blocks) for part in parts), f"tail_x{scale}", f"skip_x{scale}"]
