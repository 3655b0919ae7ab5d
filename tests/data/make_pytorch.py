"""Makes pytorch_*.pth beside this file, with PyTorch 2.13 in an environment of its own: python make_pytorch.py"""

from pathlib import Path

import torch

FOLDER = Path(__file__).parent


def main():
    kernel = torch.arange(24.0).reshape(2, 3, 2, 2)
    state = {
        "module.kernel": torch.nn.Parameter(kernel),
        "module.transposed": kernel.permute(1, 0, 3, 2),  # of the same storage, and not contiguous
        "module.part": kernel.flatten()[4:20:3],
        "module.half": torch.tensor([0.5, -2.0]).half(),
        "module.bfloat16": torch.tensor([0.5, -2.0]).bfloat16(),
        "module.double": torch.tensor([0.5, -2.0]).double(),
        "module.count": torch.tensor(7),
    }
    checkpoint = {"epoch": 3, "state_dict": state, "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}}}
    torch.save(checkpoint, FOLDER / "pytorch_zip.pth")
    torch.save(checkpoint, FOLDER / "pytorch_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"model": torch.nn.ReLU()}, FOLDER / "pytorch_whole_model.pth")


if __name__ == "__main__":
    main()
