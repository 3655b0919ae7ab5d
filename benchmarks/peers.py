"""The same networks in PyTorch, to measure against. PyTorch is no dependency of the project: `pip install torch`."""

try:
    import torch
    from torch import nn
except ModuleNotFoundError as error:
    raise SystemExit("this benchmark measures against PyTorch, which is not installed: pip install torch") from error


class Residual(nn.Module):
    """x + branch(x)."""

    def __init__(self, *branch):
        super().__init__()
        self.branch = nn.Sequential(*branch)

    def forward(self, x):
        return x + self.branch(x)


class WDSR(nn.Module):
    """WDSR-A as its authors wrote it: zero padding, every convolution weight-normalized (or none)."""

    def __init__(self, scale, num_res_blocks=8, num_filters=32, res_expansion=4, weight_norm=True):
        super().__init__()

        def conv(i, o, k):
            layer = nn.Conv2d(i, o, k, padding=k // 2)
            return nn.utils.parametrizations.weight_norm(layer) if weight_norm else layer

        wide = num_filters * res_expansion
        blocks = [
            Residual(conv(num_filters, wide, 3), nn.ReLU(inplace=True), conv(wide, num_filters, 3))
            for _ in range(num_res_blocks)
        ]
        out = 3 * scale**2
        self.body = nn.Sequential(conv(3, num_filters, 3), *blocks, conv(num_filters, out, 3), nn.PixelShuffle(scale))
        self.skip = nn.Sequential(conv(3, out, 5), nn.PixelShuffle(scale))

    def forward(self, lr):
        x = (lr - 114.0) / 127.5
        return (self.body(x) + self.skip(x)) * 127.5 + 114.0


class EDSR(nn.Module):
    """EDSR as its authors wrote it."""

    def __init__(self, scale, num_res_blocks=16, num_filters=64):
        super().__init__()

        def conv(i, o):
            return nn.Conv2d(i, o, 3, padding=1)

        n = num_filters
        blocks = [Residual(conv(n, n), nn.ReLU(inplace=True), conv(n, n)) for _ in range(num_res_blocks)]
        self.head = conv(3, n)
        self.body = Residual(*blocks, conv(n, n))
        self.tail = nn.Sequential(conv(n, n * scale**2), nn.PixelShuffle(scale), conv(n, 3))

    def forward(self, lr):
        return self.tail(self.body(self.head(lr - 114.0))) + 114.0


def trainer(model, lr, hr, learning_rate=1e-3, channels_last=False):
    """A function that does one training step (L1, Adam) of `model` on the NHWC uint8 batch (lr, hr)."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(memory_format=layout)
    adam = torch.optim.Adam(model.parameters(), learning_rate)
    lr, hr = (torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=layout) for x in (lr, hr))

    def step():
        adam.zero_grad(set_to_none=True)
        nn.functional.l1_loss(model(lr.float()), hr.float()).backward()
        adam.step()

    return step
