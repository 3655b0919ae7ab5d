"""Runs exported networks in one runtime, in an environment that has only NumPy and that runtime.

python runtime.py RUNTIME FOLDER: for each NAME.FORM.onnx in FOLDER, reads FOLDER/lr.npy and writes
NAME.FORM.RUNTIME.npy, or NAME.FORM.RUNTIME.txt with the error. `python -m release.runtimes` calls it.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np


def opencv(path, lr):
    import cv2

    network = cv2.dnn.readNetFromONNX(str(path))
    network.setInput(lr)
    return network.forward()


def onnxruntime(path, lr):
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"lr": lr})[0]


def ncnn(path, lr):
    import ncnn

    name = path.with_name("".join(c if c.isalnum() else "_" for c in path.stem) + ".onnx")
    name.write_bytes(path.read_bytes())  # pnnx replaces what isn't a letter in the names of its files
    shape = ",".join(map(str, lr.shape))
    # The program itself: the package around it imports PyTorch, which reading ONNX doesn't need.
    pnnx = Path(importlib.util.find_spec("pnnx").origin).with_name("pnnx")
    subprocess.run(
        [pnnx, name.name, f"inputshape=[{shape}]", "fp16=0"], cwd=path.parent, check=True, capture_output=True
    )
    network = ncnn.Net()
    network.opt.use_fp16_packed = network.opt.use_fp16_storage = network.opt.use_fp16_arithmetic = False
    network.load_param(str(name.with_suffix(".ncnn.param")))
    network.load_model(str(name.with_suffix(".ncnn.bin")))
    channels, height, width = lr.shape[1:]
    image = ncnn.Mat(width, height, channels)
    np.array(image, copy=False)[:] = lr[0]  # its own memory: a Mat around NumPy's crashed
    with network.create_extractor() as extractor:
        extractor.input("in0", image)
        return np.array(extractor.extract("out0")[1])[None]


def main(runtime, folder):
    lr = np.load(folder / "lr.npy")
    for path in sorted(folder.glob("*.onnx")):
        if path.stem.count(".") != 1 or (runtime == "ncnn" and path.stem.endswith(".any")):
            continue
        is_planar = path.stem.endswith(".tile")
        given = np.ascontiguousarray(lr.transpose(0, 3, 1, 2) / np.float32(255)) if is_planar else lr
        try:
            sr = globals()[runtime](path, given)
            sr = sr.transpose(0, 2, 3, 1) * np.float32(255) if is_planar else sr
            np.save(f"{path.with_suffix('')}.{runtime}.npy", sr)
        except Exception as error:  # each runtime has classes of its own
            Path(f"{path.with_suffix('')}.{runtime}.txt").write_text(str(error))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
