"""Writes the licenses that npm's packages of ONNX Runtime lack: `python web/notices.py FOLDER`.

The Python package has them. ONNX Runtime's WebAssembly contains code of other projects, whose licenses are in
ThirdPartyNotices.txt.
"""

import sys
from importlib.metadata import files
from pathlib import Path


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    license_text, notices = (read(name) for name in ("LICENSE", "ThirdPartyNotices.txt"))
    (folder / "onnxruntime-common.txt").write_text(license_text, encoding="utf-8")
    (folder / "onnxruntime-web.txt").write_text(f"{license_text}\n\n{notices}", encoding="utf-8")


def read(name):
    """Returns a text file in the top folder of the `onnxruntime` package."""
    path = next(path for path in files("onnxruntime") if path.parts == ("onnxruntime", name))
    return path.locate().read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
