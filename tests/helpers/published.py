"""Random weights with the names and shapes of each published layout, to test importers.

The names are those of the projects' modules; everything is as small as the layout allows.
"""

import itertools

from tests.helpers.published_arrays import (
    MEAN,
    STAGES,
    chain,
    conv,
    file,
    keras_3_conv,
    keras_conv,
    mean_shift,
    normed,
    upsampler,
)


def edsr(scale, n=4, blocks=2):
    shapes = conv("head.0", n, 3, 3)
    for i in range(blocks):
        shapes |= conv(f"body.{i}.body.0", n, n, 3) | conv(f"body.{i}.body.2", n, n, 3)
    shapes |= conv(f"body.{blocks}", n, n, 3) | upsampler("tail.0.{}", scale, n) | conv("tail.1", 3, n, 3)
    options = {"num_filters": n, "num_res_blocks": blocks, "variant": "official"}
    return file(shapes, "sanghyun-son/EDSR-PyTorch", "edsr", scale, mean_shift(255), **options)


def wdsr_2018(name, scale, n=5, blocks=2, expansion=3):
    low = int(0.8 * n)
    shapes = normed("head.0", n, 3, 3)
    for i in range(blocks):
        if name == "wdsr-a":
            shapes |= normed(f"body.{i}.body.0", n * expansion, n, 3) | normed(f"body.{i}.body.2", n, n * expansion, 3)
        else:
            shapes |= normed(f"body.{i}.body.0", n * expansion, n, 1)
            shapes |= normed(f"body.{i}.body.2", low, n * expansion, 1) | normed(f"body.{i}.body.3", n, low, 3)
    shapes |= normed("tail.0", 3 * scale**2, n, 3) | normed("skip.0", 3 * scale**2, 3, 5)
    options = {"num_filters": n, "num_res_blocks": blocks, "res_expansion": expansion, "weight_norm": True}
    return file(shapes, "JiahuiYu/wdsr_ntire2018", name, scale, variant="official", **options)


def wdsr_2020(scale, n=5, blocks=2, expansion=3):
    shapes = normed("body.0", n, 3, 3)
    for i in range(1, blocks + 1):
        shapes |= normed(f"body.{i}.body.0", n * expansion, n, 3) | normed(f"body.{i}.body.2", n, n * expansion, 3)
    shapes |= normed(f"body.{blocks + 1}", 3 * scale**2, n, 3) | normed("skip.0", 3 * scale**2, 3, 5)
    options = {"num_filters": n, "num_res_blocks": blocks, "res_expansion": expansion, "weight_norm": True}
    return file(shapes, "ychfan/wdsr", "wdsr-a", scale, variant="reloaded", **options)


def carn(name, scale, n=64, groups=4):
    """The scale "all" means the multi-scale model."""
    mobile = name == "carn-m"
    split = groups if mobile else 1
    shapes = conv("entry", n, 3, 3)
    for i in (1, 2, 3):
        for j in (1,) if mobile else (1, 2, 3):
            shapes |= conv(f"b{i}.b{j}.body.0", n, n // split, 3) | conv(f"b{i}.b{j}.body.2", n, n // split, 3)
            shapes |= conv(f"b{i}.b{j}.body.4", n, n, 1) if mobile else {}
        for j in (1, 2, 3):
            shapes |= conv(f"b{i}.c{j}.body.0", n, n * (j + 1), 1)
        shapes |= conv(f"c{i}.body.0", n, n * (i + 1), 1)
    for each in (2, 3, 4) if scale == "all" else (scale,):
        shapes |= upsampler(f"upsample.up{each if scale == 'all' else ''}.body.{{}}", each, n, step=3, groups=split)
    shapes |= conv("exit", 3, n, 3)
    options = {"num_filters": n, "multi_scale": False} | ({"groups": groups} if mobile else {})
    scales = (2, 3, 4) if scale == "all" else scale
    return file(shapes, "nmhkahn/CARN-pytorch", name, scales, mean_shift(1, module=".shifter"), **options)


def carn_v2(scale=4, n=8):
    shapes = conv("entry_block.m.0", n, 3, 3)
    for i in range(3):
        for k in range(6):
            module = f"blocks.{i}.blocks.{k}"
            if k % 2:
                shapes |= {f"{module}.channel_excite.0.weight": (4, n), f"{module}.channel_excite.0.bias": (4,)}
                shapes |= {f"{module}.channel_excite.2.weight": (n, 4), f"{module}.channel_excite.2.bias": (n,)}
                shapes |= conv(f"{module}.spatial_excite.0", 1, n, 1, bias=False)
            else:
                shapes |= conv(f"{module}.m.0", n, n, 3) | conv(f"{module}.m.2", n, n, 3)
        for k in range(3):
            shapes |= conv(f"blocks.{i}.singles.{k}.m.0", n, n * (k + 2), 3)
        shapes |= conv(f"singles.{i}.m.0", n, n * (i + 2), 3)
    shapes |= conv("upsampler.m.0.0", 4 * n, n, 3)
    options = {"num_filters": n, "fusion_size": 3, "fusion_groups": 1}
    made = file(shapes | conv("exit_conv", 3, n, 3), "yu45020/Waifu2x (CARN_V2)", "carn-v2", scale, **options)
    for part in ("weight", "bias"):  # the same convolution, repeated for each doubling
        made.arrays[f"upsampler.m.1.0.{part}"] = made.arrays[f"upsampler.m.0.0.{part}"]
    return made


def dcscn(scale):
    widths, a, b, last = [8, 5, 4], 6, 3, 2
    names = {f"CNN{i}": (3, *pair) for i, pair in enumerate(itertools.pairwise([1, *widths]), 1)}
    names |= {"A1": (1, sum(widths), a), "B1": (1, sum(widths), b), "B2": (3, b, b)}
    shapes = {}
    for name, (size, channels, filters) in names.items():
        shapes |= {f"{name}/conv_W": (size, size, channels, filters), f"{name}/conv_B": (filters,)}
        shapes |= {f"{name}/prelu/{name}_prelu": (filters,)}
    stages = {2: [4 * last], 3: [9 * last], 4: [4 * (a + b), 4 * last]}[scale]
    for i, filters in enumerate(stages, start=1):
        name = f"Up-PS{i if i > 1 else ''}"
        shapes |= {f"{name}/{name}_CNN/conv_W": (3, 3, a + b, filters), f"{name}/{name}_CNN/conv_B": (filters,)}
    shapes |= {"R-CNN1/conv_W": (3, 3, last, 1)}
    options = {"num_filters": 8, "min_filters": 4, "num_layers": 3, "gamma": 1.5}
    options |= {"nin_filters": a, "nin_filters_2": b, "upsampler_filters": last}
    return file(shapes, "jiny2001/dcscn-super-resolution", "dcscn", scale, **options)


def dcscn_yu45020(scale=3):
    shapes = conv("feature_block.Feature 1.Conv2d", 9, 3, 3) | conv("feature_block.Feature 2.Conv2d", 6, 9, 3)
    shapes |= conv("feature_block.Feature 3.Conv2d", 4, 6, 3) | conv("reconstruction_block.A.Conv2d", 8, 9 + 6 + 4, 1)
    shapes |= conv("reconstruction_block.B.0.Conv2d", 4, 9 + 6 + 4, 1)
    shapes |= conv("reconstruction_block.B.1.Conv2d", 8, 4, 3)
    shapes |= conv("up_sampler.Conv2d_block.Conv2d", 5 * scale**2, 16, 3)
    shapes |= conv("up_sampler.Conv2d", 3, 5, 3, bias=False)
    options = {"num_filters": 9, "min_filters": 4, "num_layers": 3, "nin_filters": 8, "upsampler_filters": 5}
    return file(shapes, "yu45020/Waifu2x (DCSCN)", "dcscn-12", scale, **options)


def espcn_yu45020(scale=2, n=2, units=True):
    widths = [3, n, n, 2 * n, 2 * n, 4 * n, 4 * n]
    shapes = chain("conv.{}.0", widths)
    for i, filters in enumerate(widths[1:] if units else []):
        shapes |= conv(f"conv.{i}.2.0", filters, filters, 1)
    shapes |= conv("up_sampler.0", 3 * scale**2, 4 * n, 3)
    options = {"num_filters": n, "selection_unit": "replace" if units else None}
    return file(shapes, "yu45020/Waifu2x (ESPCN_7)", "espcn-7", scale, **options)


def espcn_pytorch(scale=3, n=6):
    shapes = conv("first_part.0", n, 1, 5) | conv("first_part.2", n // 2, n, 3)
    shapes |= conv("last_part.0", scale**2, n // 2, 3)
    return file(shapes, "yjn870/ESPCN-pytorch", "espcn", scale, num_filters=n)


def msrn(scale, n=3, blocks=2):
    shapes = conv("head.0", n, 3, 3)
    for i in range(blocks):
        for step in (1, 2):
            for size in (3, 5):
                shapes |= conv(f"body.{i}.conv_{size}_{step}", step * n, step * n, size)
        shapes |= conv(f"body.{i}.confusion", n, 4 * n, 1)
    shapes |= conv("tail.0", n, n * (blocks + 1), 1) | conv("tail.1", n, n, 3)
    shapes |= upsampler("tail.2.{}", scale, n)
    options = {"num_filters": n, "num_res_blocks": blocks, "variant": "official"}
    return file(shapes | conv("tail.3", 3, n, 3), "MIVRC/MSRN-PyTorch", "msrn", scale, mean_shift(255), **options)


def msrn_harish_vnkt(scale=2, n=3, blocks=2):
    shapes = conv("conv.conv", n, 3, 3)
    for i in range(blocks):
        for step in (1, 2):
            for size in (5, 3):
                shapes |= conv(f"residual_blocks.{i}.conv{size}_{step}.conv", step * n, step * n, size)
        shapes |= conv(f"residual_blocks.{i}.bottleneck.conv", n, 4 * n, 1)
    shapes |= conv("feature_fusion.conv", n, n * (blocks + 1), 1)
    shapes |= conv("reconstruction_layer.conv1.conv", n * scale**2, n, 3)
    shapes |= conv("reconstruction_layer.conv2.conv", 3, n, 3)
    options = {"num_filters": n, "num_res_blocks": blocks, "variant": "harish-vnkt", "last_relu": True}
    return file(
        shapes, "harish-vnkt/multiscale-residual-network-pytorch", "msrn", scale, mean_shift(255, MEAN[::-1]), **options
    )


def drrn(n=4):
    shapes = {}
    for i in range(2):
        shapes |= conv(f"rbs.{i}.h0.module.1", n, n if i else 1, 3, bias=False)
        shapes |= {f"rbs.{i}.ru.module.{k}.module.1.weight": (n, n, 3, 3) for k in (0, 1)}
    options = {"num_filters": n, "num_res_blocks": 2, "num_units": 9, "inplace": True}
    return file(shapes | conv("rec.module.1", 1, n, 3, bias=False), "yjn870/DRRN-pytorch", "drrn", (2, 3, 4), **options)


def drrn_one_block(n=4):
    sizes = {"input": (n, 1, 3, 3), "conv1": (n, n, 3, 3), "conv2": (n, n, 3, 3), "output": (1, n, 3, 3)}
    shapes = {f"{name}.weight": size for name, size in sizes.items()}
    options = {"num_filters": n, "num_res_blocks": 1, "num_units": 25, "inplace": True}
    return file(shapes, "jt827859032/DRRN-pytorch", "drrn", (2, 3, 4), **options)


def srcnn(size=1, n=4):
    shapes = conv("conv1", n, 1, 9) | conv("conv2", n // 2, n, size) | conv("conv3", 1, n // 2, 5)
    options = {
        "num_filters": n,
        "body_size": size,
        "padding": "same",
        "colors": "full-range",
        "pre_upscaling": "bilinear",
    }
    return file(shapes, "Scthe/SRCNN-PyTorch", "srcnn", (2, 3, 4), **options)


def srcnn_matlab(n=4):
    shapes = {"weights_conv1": (81, n), "weights_conv2": (n, 25, n // 2), "weights_conv3": (n // 2, 25)}
    shapes |= {"biases_conv1": (n, 1), "biases_conv2": (n // 2, 1), "biases_conv3": (1, 1)}
    options = {"num_filters": n, "body_size": 5, "padding": "valid", "colors": "bt601"}
    return file(shapes, "the authors of SRCNN", "srcnn", (2, 3, 4), **options)


VGG7 = [3, 32, 32, 64, 64, 128, 128, 3]
IN_ORDER, CHAINER = "waifu2x (weights in the model's order)", "tsurumeso/waifu2x-chainer"


def vgg7(name, project=IN_ORDER, **options):
    return file(chain(name, VGG7), project, "vgg7", (1, 2), luma=False, **options)


def chainer(shapes):
    """Returns the same shapes under Chainer's names, in the order in which it writes them: the last first."""
    names = {name: name.replace(".weight", "/W").replace(".bias", "/b") for name in shapes}
    return {names[name]: shape for name, shape in reversed(shapes.items())}


def vgg7_chainer():
    return file(chainer(chain("conv{}", VGG7, first=1)), CHAINER, "vgg7", (1, 2), luma=False)


def upconv7_chainer():
    shapes = chain("conv{}", [3, 16, 32, 64, 128, 256, 256], first=1) | {"conv7.weight": (256, 3, 4, 4)}
    return file(chainer(shapes), CHAINER, "upconv7", 2, luma=False, wide=True)


def upconv7():
    shapes = chain("Convolution{}", [3, 16, 32, 64, 128, 128, 256], first=1)
    return file(shapes | {"Deconvolution1.weight": (256, 3, 4, 4)}, IN_ORDER, "upconv7", 2, luma=False)


def cunet(scale, names=True):
    """With nunif's names, or with numbers in the same order, as in JSON files."""
    shapes = conv("unet1.conv1.conv.0", 32, 3, 3) | conv("unet1.conv1.conv.2", 64, 32, 3)
    shapes |= conv("unet1.conv1_down", 64, 64, 2) | gated("unet1.conv2", 64, 128, 64)
    shapes |= conv("unet1.conv2_up", 64, 64, 2) | conv("unet1.conv3", 64, 64, 3)
    shapes |= {"unet1.conv_bottom.weight": (64, 3, 4, 4) if scale == 2 else (3, 64, 3, 3)}
    shapes |= {"unet1.conv_bottom.bias": (3,)}
    shapes |= conv("unet2.conv1.conv.0", 32, 3, 3) | conv("unet2.conv1.conv.2", 64, 32, 3)
    shapes |= conv("unet2.conv1_down", 64, 64, 2) | gated("unet2.conv2", 64, 64, 128)
    shapes |= conv("unet2.conv2_down", 128, 128, 2) | gated("unet2.conv3", 128, 256, 128)
    shapes |= conv("unet2.conv3_up", 128, 128, 2) | gated("unet2.conv4", 128, 64, 64)
    shapes |= conv("unet2.conv4_up", 64, 64, 2) | conv("unet2.conv5", 64, 64, 3) | conv("unet2.conv_bottom", 3, 64, 3)
    if not names:
        shapes = {f"{i // 2}.{name.rpartition('.')[2]}": shape for i, (name, shape) in enumerate(shapes.items())}
    nunif = "nagadomi/nunif or bilibili/ailab (Real-CUGAN)" if scale == 2 else "nagadomi/nunif"
    project = nunif if names else IN_ORDER
    return file(shapes, project, "upcunet" if scale == 2 else "cunet", scale, luma=False)


def gated(name, channels, inner, filters):
    shapes = conv(f"{name}.conv.0", inner, channels, 3) | conv(f"{name}.conv.2", filters, inner, 3)
    less = filters // 8
    return shapes | conv(f"{name}.seblock.conv1", less, filters, 1) | conv(f"{name}.seblock.conv2", filters, less, 1)


def krasserm_wdsr(name, scale, conv=keras_conv, g=False, n=5, blocks=2, expansion=3):
    sizes = [(n, 3, 3)]
    wide, low = n * expansion, int(0.8 * n)
    block = [(wide, n, 3), (n, wide, 3)] if name == "wdsr-a" else [(wide, n, 1), (low, wide, 1), (n, low, 3)]
    sizes += block * blocks + [(3 * scale**2, n, 3), (3 * scale**2, 3, 5)]
    kind = "layers/weight_normalization" if g else "layers/conv2d"
    shapes = {}
    for i, size in enumerate(sizes):
        shapes |= conv(f"{kind}_{i}" if i else kind, *size, g=g)
    options = {"num_filters": n, "num_res_blocks": blocks, "res_expansion": expansion, "weight_norm": g}
    return file(shapes, "krasserm/wdsr", name, scale, variant="official" if g else "krasserm", **options)


def krasserm_residual(name, scale, n=4, blocks=2):
    """EDSR, or SRResNet with batch normalization and PReLU slopes."""
    gan = name == "sr-resnet"
    end = 9 if gan else 3
    sizes = [(n, 3, end)] + [(n, n, 3)] * (2 * blocks + 1)
    sizes += [(n * factor**2, n, 3) for factor in STAGES[scale]] + [(3, n, end)]
    shapes = {}
    for i, size in enumerate(sizes):
        shapes |= keras_conv(f"conv2d_{62 + i}/conv2d_{62 + i}", *size)
    if gan:
        for i in range(2 * blocks + 1):
            parts = ("gamma", "beta", "moving_mean", "moving_variance")
            shapes |= {f"batch_normalization_{i}/batch_normalization_{i}/{part}": (n,) for part in parts}
        stages = 1 + blocks + (2 if scale == 4 else 1)
        shapes |= {f"p_re_lu_{i}/p_re_lu_{i}/alpha": (1, 1, n) for i in range(stages)}
    options = {"num_filters": n, "num_res_blocks": blocks} | (
        {} if gan else {"weight_norm": False, "variant": "krasserm"}
    )
    return file(shapes, "krasserm/wdsr", name, scale, **options)


def converted(name, scale=2, n=5, blocks=2):
    shapes = conv("head", n, 3, 3)
    for i in range(blocks):
        if name == "wdsr-b":
            shapes |= conv(f"body.{i}.0", 6 * n, n, 1) | conv(f"body.{i}.2", 4, 6 * n, 1) | conv(f"body.{i}.3", n, 4, 3)
        else:
            wide = 6 * n if name == "wdsr-a" else n
            shapes |= conv(f"body.{i}.0", wide, n, 3) | conv(f"body.{i}.2", n, wide, 3)
    options = {"num_filters": n, "num_res_blocks": blocks, "weight_norm": False, "variant": "krasserm"}
    if name == "edsr":
        shapes |= conv("body_out", n, n, 3) | conv("upsample", n * scale**2, n, 3) | conv("tail", 3, n, 3)
    else:
        shapes |= conv("tail", 3 * scale**2, n, 3) | conv("skip", 3 * scale**2, 3, 5)
        options["res_expansion"] = 6
    return file(shapes, "krasserm/wdsr (converted to PyTorch's kernels)", name, scale, **options)


EVERY = {
    "edsr x2": edsr(2),
    "edsr x4": edsr(4),
    "wdsr 2018 a": wdsr_2018("wdsr-a", 2),
    "wdsr 2018 b": wdsr_2018("wdsr-b", 4),
    "wdsr 2020": wdsr_2020(3),
    "carn all": carn("carn", "all", n=8),
    "carn-m x4": carn("carn-m", 4, n=8),
    "carn-m all": carn("carn-m", "all", n=8),
    "carn v2": carn_v2(),
    "dcscn x3": dcscn(3),
    "dcscn x4": dcscn(4),
    "dcscn yu45020": dcscn_yu45020(),
    "espcn yu45020": espcn_yu45020(),
    "espcn yu45020 without units": espcn_yu45020(4, units=False),
    "espcn pytorch": espcn_pytorch(),
    "msrn x4": msrn(4),
    "msrn harish-vnkt": msrn_harish_vnkt(),
    "drrn blocks": drrn(),
    "drrn one block": drrn_one_block(),
    "srcnn": srcnn(),
    "srcnn matlab": srcnn_matlab(),
    "vgg7 json": vgg7("{}"),
    "vgg7 zeros": vgg7("Sequential.{}", pad="zeros"),
    "vgg7 chainer": vgg7_chainer(),
    "upconv7": upconv7(),
    "upconv7 chainer": upconv7_chainer(),
    "cunet": cunet(1),
    "upcunet": cunet(2),
    "upcunet json": cunet(2, names=False),
    "krasserm a": krasserm_wdsr("wdsr-a", 3),
    "krasserm b": krasserm_wdsr("wdsr-b", 2),
    "krasserm b with g": krasserm_wdsr("wdsr-b", 2, g=True),
    "krasserm a of Keras 3": krasserm_wdsr("wdsr-a", 4, keras_3_conv),
    "krasserm a with g of Keras 3": krasserm_wdsr("wdsr-a", 2, keras_3_conv, g=True),
    "krasserm edsr": krasserm_residual("edsr", 4),
    "krasserm sr-resnet": krasserm_residual("sr-resnet", 4),
    "converted wdsr-a": converted("wdsr-a"),
    "converted wdsr-b": converted("wdsr-b", 3),
    "converted edsr": converted("edsr", 3),
}
