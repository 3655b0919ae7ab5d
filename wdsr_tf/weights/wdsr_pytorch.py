"""WDSR-A and WDSR-B in PyTorch, for files of `wdsr-tf convert weights -i NAME -o NAME.pth`. Copy this file freely.

network = WDSR(torch.load("NAME.pth", weights_only=True))
sr = network(lr)  # RGB as float (N, 3, H, W) in 0..255; the result is neither clipped nor rounded
"""

import torch
from torch import nn

MEAN = 255 * torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1)


class WDSR(nn.Module):
    """The network whose `state_dict` is `state`, which tells the sizes of all layers."""

    def __init__(self, state, res_scaling=1.0):
        super().__init__()

        def conv(name, same=True):
            filters, channels, size, _ = state[f"{name}.weight"].shape
            return nn.Conv2d(channels, filters, size, padding=size // 2 if same else 0)

        def block(i):
            more = [conv(f"body.{i}.3")] if f"body.{i}.3.weight" in state else []  # WDSR-B
            return nn.Sequential(conv(f"body.{i}.0"), nn.ReLU(), conv(f"body.{i}.2"), *more)

        self.head, self.tail, self.skip = (conv(name, same=False) for name in ("head", "tail", "skip"))
        self.body = nn.ModuleList(block(i) for i in range(sum(name.endswith(".0.bias") for name in state)))
        self.scale, self.res_scaling = round((len(state["tail.bias"]) / 3) ** 0.5), res_scaling
        self.load_state_dict(state)

    def forward(self, lr):
        lr = mirrored((lr - MEAN.to(lr)) / 127.5, 2)
        x = self.head(lr)
        for block in self.body:
            x = x + self.res_scaling * block(x)
        return (self.shuffled(self.tail(x)) + self.shuffled(self.skip(lr))) * 127.5 + MEAN.to(lr)

    def shuffled(self, x):  # its channels are (row, column, color), as in TensorFlow
        x = x.unflatten(1, (self.scale**2, 3)).transpose(1, 2).flatten(1, 2)
        return nn.functional.pixel_shuffle(x, self.scale)


def mirrored(x, size):  # with the edge repeated, as in (b a | a b c ...): not one of PyTorch's padding modes
    for axis in (2, 3):
        length = x.shape[axis]
        index = torch.arange(-size, length + size, device=x.device) % (2 * length)
        x = x.index_select(axis, torch.minimum(index, 2 * length - 1 - index))
    return x
