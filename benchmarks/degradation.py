"""Time to degrade a patch, compared with Real-ESRGAN's own code: python -m benchmarks.degradation --basicsr FOLDER

FOLDER is the unpacked source of BasicSR 1.4.2 from the package index. It needs PyTorch, OpenCV and SciPy, which aren't
dependencies of the project: pip install torch opencv-python-headless scipy
"""

import importlib.util
import itertools
import random
import statistics
import sys
import types
from pathlib import Path

import numpy as np

from benchmarks import measuring
from wdsr_tf.commands.command import Command
from wdsr_tf.data import degrade
from wdsr_tf.errors import InputError

SIDE = 256  # of an HR patch, x4
PEER = "Real-ESRGAN in PyTorch"


def define(flags):
    flags.string("basicsr", None, "Folder of BasicSR's source, with basicsr/data/degradations.py. Default: no peer.")
    flags.integer("patches", 12, "Patches per turn.", minimum=1)
    flags.integer("rounds", 9, "Rounds; each has a turn of every contestant.", minimum=1)


def run(flags, _words):
    rng = np.random.default_rng(0)
    contestants = {
        name: ours(name, rng, flags.patches)
        for name in ("real-esrgan", "real-esrgan,sharpen=False", "real-esrgan,jpeg=diff", "light", "bsrgan")
    }
    if flags.basicsr:
        contestants[PEER] = peer(Path(flags.basicsr), rng, flags.patches)
    measuring.protocol(
        f"One thread each: {flags.patches} patches of {SIDE} x {SIDE} HR pixels, x4, per turn; Real-ESRGAN degrades "
        f"400 x 400 pixels for it, ours {SIDE} and a margin. {flags.rounds} interleaved rounds, median of ms per patch."
    )
    seconds = measuring.interleaved(contestants, flags.rounds)
    base = PEER if flags.basicsr else "real-esrgan"
    measuring.print_header("degradation", "ms per patch", f"times {base} (range)")
    for name, ratio in measuring.ratios(seconds, base).items():
        took = 1000 * statistics.median(seconds[name]) / flags.patches
        measuring.print_row(name, f"{took:.1f}", measuring.span(*ratio))


def ours(text, rng, patches):
    recipe = degrade.parse(text, 4)
    hr = smooth(SIDE + 8 * recipe.margin, rng)
    return lambda: [recipe.pair(hr, rng) for _ in range(patches)]


def smooth(side, rng):
    """A uint8 image with the detail of a photograph: noise that was smoothed."""
    noise = rng.integers(0, 256, (side, side, 3)).astype("float32")
    for axis in (0, 1):
        noise = sum(np.roll(noise, k, axis) for k in range(4)) / 4
    return np.clip((noise - 128) * 3 + 128, 0, 255).astype("uint8")


def peer(source, rng, patches):
    """Real-ESRGAN's loader and `feed_data` in their published order, a batch of `patches` images at once on the CPU."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    data, diffjpeg, process = (
        module(source / "basicsr" / path)
        for path in ("data/degradations.py", "utils/diffjpeg.py", "utils/img_process_util.py")
    )
    hr = torch.from_numpy(np.stack([smooth(400, rng)] * patches)).permute(0, 3, 1, 2).contiguous().float() / 255
    usm, jpeger, modes = process.USMSharp(), diffjpeg.DiffJPEG(differentiable=False), ["area", "bilinear", "bicubic"]
    kinds, shares = (
        ["iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso"],
        [0.45, 0.25, 0.12, 0.03, 0.12, 0.03],
    )

    def kernel(sigma):
        size = random.choice(range(7, 22, 2))
        if random.random() < 0.1:
            made = data.circular_lowpass_kernel(np.random.uniform(np.pi / (3 if size < 13 else 5), np.pi), size)
        else:
            made = data.random_mixed_kernels(kinds, shares, size, sigma, sigma, [-np.pi, np.pi], [0.5, 4], [1, 2])
        return np.pad(made, (21 - size) // 2)

    def kernels(sigma):
        return torch.from_numpy(np.stack([kernel(sigma) for _ in range(patches)])).float()

    def noise(x, sigma, scale):
        if random.random() < 0.5:
            return data.random_add_gaussian_noise_pt(x, sigma_range=sigma, clip=True, rounds=False, gray_prob=0.4)
        return data.random_add_poisson_noise_pt(x, scale_range=scale, gray_prob=0.4, clip=True, rounds=False)

    def jpeg(x):
        return jpeger(torch.clamp(x, 0, 1), quality=x.new_zeros(patches).uniform_(30, 95)).contiguous()

    def factor(up, down, shares):
        return random.choices([random.uniform(1, up), random.uniform(down, 1), 1], shares)[0]

    def fit(x):
        cutoff, size = np.random.uniform(np.pi / 3, np.pi), random.choice(range(7, 22, 2))
        sinc = torch.from_numpy(data.circular_lowpass_kernel(cutoff, size, pad_to=21)).float()
        return process.filter2D(functional.interpolate(x, size=(100, 100), mode=random.choice(modes)), sinc[None])

    @torch.no_grad()
    def turn():
        x = process.filter2D(usm(hr), kernels([0.2, 3]))
        x = functional.interpolate(x, scale_factor=factor(1.5, 0.15, [0.2, 0.7, 0.1]), mode=random.choice(modes))
        x = jpeg(noise(x, [1, 30], [0.05, 3]))
        if random.random() < 0.8:
            x = process.filter2D(x, kernels([0.2, 1.5]))
        size = int(100 * factor(1.2, 0.3, [0.3, 0.4, 0.3]))
        x = noise(functional.interpolate(x, size=(size, size), mode=random.choice(modes)), [1, 25], [0.05, 2.5])
        return jpeg(fit(x)) if random.random() < 0.5 else fit(jpeg(x))

    return turn


_numbers = itertools.count()


def module(path):
    """A module of BasicSR by itself: the package imports what newer versions of torchvision don't have."""
    if not path.is_file():
        raise InputError(f"{path}: no such file. Pass the folder of BasicSR's unpacked source to --basicsr.")
    gray = types.ModuleType("torchvision.transforms.functional_tensor")
    gray.rgb_to_grayscale = lambda x, num_output_channels: (
        x * x.new_tensor([0.2989, 0.587, 0.114]).view(1, 3, 1, 1)
    ).sum(1, keepdim=True)
    for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional_tensor"):
        sys.modules.setdefault(name, gray)
    spec = importlib.util.spec_from_file_location(f"basicsr_{next(_numbers)}", path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


COMMAND = Command("degradation", "Compares the time to degrade a patch with Real-ESRGAN's own code.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.degradation"))
