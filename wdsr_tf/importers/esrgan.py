"""RRDBNet's published namings: ESRGAN's first release, its second (BSRGAN, RealSR), and Real-ESRGAN's."""

import dataclasses

from wdsr_tf.importers.project import Candidate, MismatchError, Project


@dataclasses.dataclass(frozen=True)
class Naming:
    """A release's names: `{b}` counts blocks from 0, `{r}` dense blocks and `{q}` their convolutions from 1."""

    head: str
    dense: str
    body_out: str
    upsampler: str  # `{i}` counts stages from 1, `{n}` is 3 * i
    hr_conv: str  # `{u}` is three times the number of stages
    tail: str
    shortcut: str = ""

    def dense_conv(self, block, dense, conv):
        return self.dense.format(b=block, r=dense, q=conv)


FIRST = Naming(
    head="model.0",
    dense="model.1.sub.{b}.RDB{r}.conv{q}.0",
    body_out="model.1.sub.{nb}",
    upsampler="model.{n}",
    hr_conv="model.{u2}",
    tail="model.{u4}",
    shortcut="model.1.sub.{b}.RDB{r}.conv1x1",
)
SECOND = Naming(
    head="conv_first",
    dense="RRDB_trunk.{b}.RDB{r}.conv{q}",
    body_out="trunk_conv",
    upsampler="upconv{i}",
    hr_conv="HRconv",
    tail="conv_last",
    shortcut="RRDB_trunk.{b}.RDB{r}.conv1x1",
)
REAL = Naming(
    head="conv_first",
    dense="body.{b}.rdb{r}.conv{q}",
    body_out="conv_body",
    upsampler="conv_up{i}",
    hr_conv="conv_hr",
    tail="conv_last",
)
NAMINGS = {"xinntao/ESRGAN, first release": FIRST, "xinntao/ESRGAN": SECOND, "xinntao/Real-ESRGAN": REAL}


def named(naming):
    """The layout of one naming, as `Project` takes it."""

    def layout(tensors, model):
        blocks, plus = model.hyperparameters["num_res_blocks"], model.hyperparameters["plus"]
        ups = [layer.name for layer in model.layers if layer.name.startswith("upsampler") and layer.weights]
        names = _outer(naming, blocks, len(ups))
        factor = round((model.get_layer("head").kernel.shape[2] / 3) ** 0.5)
        weights = {"head": tensors.conv(names["head"], unshuffle=factor)}
        for ours in ("body_out", "hr_conv", "tail"):
            weights[ours] = tensors.conv(names[ours])
        for i, ours in enumerate(ups, start=1):
            weights[ours] = tensors.conv(naming.upsampler.format(i=i, n=3 * i))
        for b in range(blocks):
            for r in (1, 2, 3):
                for q in (1, 2, 3, 4, 5):
                    weights[f"body_{b}_rdb{r}_conv{q}"] = tensors.conv(naming.dense_conv(b, r, q))
                if plus:
                    name = naming.shortcut.format(b=b, r=r)
                    weights[f"body_{b}_rdb{r}_shortcut"] = tensors.conv(name, bias=False)
        return weights

    return layout


def detects(naming):
    """Recognizes one naming, as `Project` takes it."""

    def detect(contents):
        first = naming.dense_conv(0, 1, 1)
        if not contents.has(f"{first}.weight"):
            return
        growth, filters, *_ = contents.shape(f"{first}.weight")
        blocks = contents.count(naming.dense.replace("{b}", "{}").format("{}", r=1, q=1) + ".weight")
        ups = _stages(naming, contents)
        names = _outer(naming, blocks, ups)
        inputs = contents.shape(f"{names['head']}.weight")[1]
        if contents.shape(f"{names['tail']}.weight")[0] != 3 or inputs not in (3, 12, 48):
            raise MismatchError(f"it maps {inputs} channels to {contents.shape(names['tail'] + '.weight')[0]}, not RGB")
        how = {"num_filters": filters, "num_res_blocks": blocks, "growth": growth}
        how["plus"] = bool(naming.shortcut) and contents.has(naming.shortcut.format(b=0, r=1) + ".weight")
        if inputs > 3:
            if ups != 2:
                raise MismatchError(f"it has {ups} upsampling stages after a pixel unshuffle, not 2")
            scales = (2,) if inputs == 12 else (1,)
        else:
            scales = {0: (1,), 1: (2, 3), 2: (4,), 3: (8,)}.get(ups)
            if scales is None:
                raise MismatchError(f"it has {ups} upsampling stages, more than 3")
        if scales[0] < 3:
            how["pixel_unshuffle"] = inputs > 3
        note = "x2 and x3 have the same tensors; the file's name usually tells" if len(scales) > 1 else ""
        yield Candidate("rrdbnet", scales, how, note=note)

    return detect


def in_order(tensors, model):
    """The layers in the graph's order, as in ncnn files, whose names say nothing."""
    ups = sum(layer.name.startswith("upsampler") and bool(layer.weights) for layer in model.layers)
    tensors.rename_layers(_names_in_order(model.hyperparameters["num_res_blocks"], ups))
    return named(REAL)(tensors, model)


def detect_in_order(contents):
    """Recognizes files whose layers have no names of their own, as `Project` takes it."""
    layers = contents.layers()
    blocks, ups = divmod(len(layers) - 4, 15)
    kernels = [parts.get("weight", ()) for parts in layers.values()]
    is_named = any(contents.has(f"{naming.head}.weight") for naming in NAMINGS.values())
    if blocks < 1 or ups > 3 or {len(shape) for shape in kernels} != {4} or is_named:
        return
    filters, growth = kernels[0][0], kernels[1][0]
    if [shape[:2] for shape in kernels[1:6]] != [
        *((growth, filters + i * growth) for i in range(4)),
        (filters, filters + 4 * growth),
    ]:
        return
    names = dict(zip(layers, _names_in_order(blocks, ups), strict=True))
    renamed = {f"{a}.{part}": f"{b}.{part}" for a, b in names.items() for part in layers[a]}
    yield from detects(REAL)(contents.renamed(renamed))


def _names_in_order(blocks, ups):
    dense = [REAL.dense_conv(b, r, q) for b in range(blocks) for r in (1, 2, 3) for q in (1, 2, 3, 4, 5)]
    stages = [REAL.upsampler.format(i=i) for i in range(1, ups + 1)]
    return [REAL.head, *dense, REAL.body_out, *stages, REAL.hr_conv, REAL.tail]


def _outer(naming, blocks, ups):
    """Our names of the layers outside the blocks -> theirs."""
    values = {"nb": blocks, "u2": 3 * ups + 2, "u4": 3 * ups + 4}
    return {ours: getattr(naming, ours).format(**values) for ours in ("head", "body_out", "hr_conv", "tail")}


def _stages(naming, contents):
    """The number of upsampling stages."""
    if naming is not FIRST:
        names = (f"{naming.upsampler.format(i=i)}.weight" for i in range(1, 10))
        return next(i for i, name in enumerate(names) if not contents.has(name))
    numbers = [int(name.split(".")[1]) for name in contents.shapes if name.split(".")[1:2][0].isdecimal()]
    if (max(numbers) - 4) % 3:
        raise MismatchError(f"its last layer is model.{max(numbers)}")
    return (max(numbers) - 4) // 3


PROJECTS = [Project(name, named(naming), detects(naming)) for name, naming in NAMINGS.items()]
PROJECTS.append(Project("xinntao/Real-ESRGAN (layers in order)", in_order, detect_in_order))
