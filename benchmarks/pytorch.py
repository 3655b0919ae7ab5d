"""Our networks in PyTorch, written as their authors wrote them, with the same weights.

PyTorch isn't a dependency of the project: `pip install torch`.
"""

from wdsr_tf.div2k import DIV2K_MEAN
from wdsr_tf.errors import InputError

try:
    import torch
    from torch import nn
except ModuleNotFoundError as error:
    message = "This benchmark compares with PyTorch, which isn't installed. Install it with: pip install torch"
    raise InputError(message) from error

import numpy as np


def twin(model):
    """Returns the PyTorch module of an `SRModel`: NCHW, RGB in 0..255.

    Args:
        model: WDSR-A (variant official), EDSR, CARN, CARN-M, SRVGG or RRDBNet (x2, with pixel_unshuffle, for even
            sizes); without weight normalization (see `fold`).
    """
    build = {"wdsr-a": wdsr, "edsr": edsr, "carn": carn, "carn-m": carn, "srvgg": srvgg, "rrdbnet": rrdbnet}
    std = 127.5 if model.architecture in ("wdsr-a", "edsr") else 255.0
    mean = (0.0, 0.0, 0.0) if model.architecture in ("srvgg", "rrdbnet") else DIV2K_MEAN
    return Normalized(build[model.architecture](model), mean, std).eval()


def twin_to_train(model):
    """Returns the PyTorch module of an `SRModel` to train, weight-normalized by PyTorch if the model is."""
    from wdsr_tf.models import fold

    if not model.hyperparameters.get("weight_norm"):
        return twin(model).train()
    module = twin(fold(model)).train()
    for conv in [part for part in module.modules() if isinstance(part, nn.Conv2d)]:
        nn.utils.parametrizations.weight_norm(conv)
    return module


class Normalized(nn.Module):
    """A network between (x - mean) / std and its inverse."""

    def __init__(self, network, mean, std):
        super().__init__()
        self.network, self.std = network, std
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).reshape(1, 3, 1, 1))

    def forward(self, lr):
        return self.network((lr - self.mean) / self.std) * self.std + self.mean


class Sum(nn.Module):
    """The sum of two branches."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        first, second = self.branches
        return first(x) + second(x)


def residual(*branch):
    return Sum(nn.Identity(), nn.Sequential(*branch))


class Cascade(nn.Module):
    """CARN's cascade: each fusion gets the input and the outputs of all stages before it."""

    def __init__(self, stages, fuses):
        super().__init__()
        self.stages, self.fuses = nn.ModuleList(stages), nn.ModuleList(fuses)

    def forward(self, x):
        features = [x]
        for stage, fuse in zip(self.stages, self.fuses, strict=True):
            features.append(stage(x))
            x = fuse(torch.cat(features, 1))
        return x


def wdsr(model):
    layer, scale = model.get_layer, model.scale
    blocks = [
        residual(conv(layer(f"body_{i}_expand")), nn.ReLU(inplace=True), conv(layer(f"body_{i}_project")))
        for i in range(model.hyperparameters["num_res_blocks"])
    ]
    tail, skip = (conv(layer(f"{name}_x{scale}"), shuffle=scale) for name in ("tail", "skip"))
    body = nn.Sequential(conv(layer("head")), *blocks, tail, nn.PixelShuffle(scale))
    return Sum(body, nn.Sequential(skip, nn.PixelShuffle(scale)))


def edsr(model):
    layer = model.get_layer
    blocks = [
        residual(conv(layer(f"body_{i}_conv_1")), nn.ReLU(inplace=True), conv(layer(f"body_{i}_conv_2")))
        for i in range(model.hyperparameters["num_res_blocks"])
    ]
    upsampler = conv(layer(f"upsampler_x{model.scale}_1"), shuffle=model.scale)
    body = residual(*blocks, conv(layer("body_out")))
    return nn.Sequential(conv(layer("head")), body, upsampler, nn.PixelShuffle(model.scale), conv(layer("tail")))


def carn(model):
    layer, scale, mobile = model.get_layer, model.scale, model.architecture == "carn-m"

    def fuse(name):
        return nn.Sequential(conv(layer(name)), nn.ReLU(inplace=True))

    def unit(name):
        names = [f"{name}_conv_{k}" for k in range(1, 4 if mobile else 3)]
        convs = [part for n in names for part in (conv(layer(n)), nn.ReLU(inplace=True))]
        return nn.Sequential(residual(*convs[:-1]), nn.ReLU(inplace=True))

    def block(i):
        units = [unit(f"body_{i}_unit")] * 3 if mobile else [unit(f"body_{i}_unit_{j}") for j in range(3)]
        return Cascade(units, [fuse(f"body_{i}_fuse_{j}") for j in range(3)])

    body = Cascade([block(i) for i in range(3)], [fuse(f"body_fuse_{i}") for i in range(3)])
    upsampler = conv(layer("upsampler").convs[0], shuffle=1 if mobile else scale)  # CARN-M's is in PyTorch's order
    ends = [upsampler, nn.ReLU(inplace=True), nn.PixelShuffle(scale), conv(layer("tail"))]
    return nn.Sequential(conv(layer("head")), body, *ends)


def srvgg(model):
    layer, scale = model.get_layer, model.scale
    parts = []
    for name in ("head", *(f"body_{i}" for i in range(model.hyperparameters["num_res_blocks"]))):
        prelu = nn.PReLU(model.hyperparameters["num_filters"])
        prelu.weight.data = torch.from_numpy(layer(f"{name}_prelu").get_weights()[0].ravel())
        parts += [conv(layer(name)), prelu]
    body = nn.Sequential(*parts, conv(layer(f"tail_x{scale}"), shuffle=scale), nn.PixelShuffle(scale))
    return Sum(body, nn.Upsample(scale_factor=scale, mode="nearest"))


class Dense(nn.Module):
    """RRDBNet's dense block: each convolution gets the input and the outputs of all before it."""

    def __init__(self, convs):
        super().__init__()
        self.convs, self.act = nn.ModuleList(convs), nn.LeakyReLU(0.2, inplace=True)

    def forward(self, x):
        features = [x]
        for each in self.convs[:-1]:
            features.append(self.act(each(torch.cat(features, 1))))
        return x + 0.2 * self.convs[-1](torch.cat(features, 1))


class Scaled(nn.Module):
    """x plus 0.2 times a branch of it."""

    def __init__(self, branch):
        super().__init__()
        self.branch = branch

    def forward(self, x):
        return x + 0.2 * self.branch(x)


def rrdbnet(model):
    layer = model.get_layer

    def block(name):
        return Dense([conv(layer(f"{name}_conv{i}")) for i in range(1, 6)])

    def up(i):
        act = nn.LeakyReLU(0.2, inplace=True)
        return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), conv(layer(f"upsampler_x2_{i}")), act)

    blocks = [
        Scaled(nn.Sequential(*(block(f"body_{i}_rdb{j}") for j in (1, 2, 3))))
        for i in range(model.hyperparameters["num_res_blocks"])
    ]
    head = conv(layer("head"), unshuffle=2)
    body = residual(*blocks, conv(layer("body_out")))
    ends = [up(1), up(2), conv(layer("hr_conv")), nn.LeakyReLU(0.2, inplace=True), conv(layer("tail"))]
    return nn.Sequential(nn.PixelUnshuffle(2), head, body, *ends)


def conv(layer, shuffle=1, unshuffle=1):
    """A padded convolution with a Keras layer's weights.

    `shuffle` is the factor of the pixel shuffle after it, `unshuffle` that of the pixel unshuffle before it.
    """
    kernel, bias = layer.get_weights()
    if shuffle > 1:  # ours: (row, column, color); PyTorch's: (color, row, column)
        order = np.arange(len(bias)).reshape(shuffle**2, -1).T.ravel()
        kernel, bias = kernel[..., order], bias[order]
    if unshuffle > 1:
        kernel = kernel[:, :, np.arange(kernel.shape[2]).reshape(unshuffle**2, -1).T.ravel()]
    size, _, inputs, outputs = kernel.shape
    groups = getattr(layer, "groups", 1)
    twin = nn.Conv2d(inputs * groups, outputs, size, padding=size // 2, groups=groups)
    twin.weight.data = torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
    twin.bias.data = torch.from_numpy(bias)
    return twin


def runner(module, channels_last=False, bfloat16=False, compiled=False):
    """Returns a function that runs `module`, from an NHWC array to an NHWC float32 array.

    Args:
        module: as `twin` returns it.
        channels_last: keep it and its input in that layout.
        bfloat16: run it under autocast.
        compiled: run it with `torch.compile`, which takes a while for each new shape, rather than eagerly.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    module = module.to(memory_format=layout)
    module = torch.compile(module) if compiled else module

    @torch.inference_mode()
    def run(lr):
        x = torch.from_numpy(lr).permute(0, 3, 1, 2).float().contiguous(memory_format=layout)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            return module(x).float().permute(0, 2, 3, 1).numpy()

    return run


def trainer(module, lr, hr, learning_rate=1e-3, channels_last=False):
    """Returns a function that trains `module` for one step (L1, Adam) on the NHWC uint8 batch (lr, hr)."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    module = module.to(memory_format=layout)
    adam = torch.optim.Adam(module.parameters(), learning_rate)
    lr, hr = (torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=layout) for x in (lr, hr))

    def step():
        adam.zero_grad(set_to_none=True)
        nn.functional.l1_loss(module(lr.float()), hr.float()).backward()
        adam.step()

    return step


def half_precision_trainer(module, lr, hr, steps):
    """Returns a function that trains `module` for `steps` steps, always on the same batch (lr, hr) in device memory.

    Automatic mixed precision and channels_last, as PyTorch recommends for GPUs.
    """
    device, half = ("cuda", torch.float16) if torch.cuda.is_available() else ("cpu", torch.bfloat16)
    torch.backends.cudnn.benchmark = True
    module = module.to(device, memory_format=torch.channels_last)
    adam = torch.optim.Adam(module.parameters(), 1e-4)
    scaler = torch.amp.GradScaler(device, enabled=device == "cuda")
    lr, hr = (
        torch.from_numpy(x).to(device).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        for x in (lr, hr)
    )

    def step():
        adam.zero_grad(set_to_none=True)
        with torch.autocast(device, half):
            loss = nn.functional.l1_loss(module(lr.float()), hr.float())
        scaler.scale(loss).backward()
        scaler.step(adam)
        scaler.update()

    def run():
        for _ in range(steps):
            step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def matrix_product(size):
    """Returns a function that multiplies two float32 matrices of `size` x `size`."""
    a, b = torch.rand(2, size, size)
    return lambda: torch.mm(a, b)
