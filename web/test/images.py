"""Images for the page's tests, and comparisons with its results: `python images.py make FOLDER`, and so on."""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

sys.path.insert(0, str(Path(__file__).parents[2]))

from wdsr_tf import Upscaler, export, images, weights

DEMO = Path(__file__).parents[2] / "demo"
ORIENTATION, MAKE, DESCRIPTION, EXIF_IFD, PIXEL_WIDTH = 0x0112, 0x010F, 0x010E, 0x8769, 0xA002
RESOLUTION = {0x011A, 0x011B, 0x0128}  # the command line also writes these


def make(folder):
    """Writes one image of each kind into `folder`; the same every time."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    harbour, poster = (Image.open(DEMO / name).convert("RGB") for name in ("harbour.png", "poster.png"))
    harbour.save(folder / "harbour.png")
    harbour.crop((9, 7, 10, 8)).save(folder / "pixel.png")
    poster.resize((613, 401), Image.Resampling.BICUBIC).save(folder / "large.png")
    see_through = Image.merge("RGBA", [*poster.split(), Image.fromarray(opacity(320, 200))])
    see_through.save(folder / "see-through.png")
    see_through.crop((20, 10, 151, 110)).save(folder / "see-through.webp", lossless=True, exact=True)
    harbour.convert("L").crop((30, 40, 131, 97)).save(folder / "gray.png")
    poster.quantize(64).save(folder / "palette.png")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    harbour.crop((0, 80, 200, 200)).save(folder / "rotated.jpg", quality=90, exif=exif, icc_profile=profile)
    small = harbour.crop((0, 80, 120, 160))
    small.save(folder / "small.png")
    small.save(folder / "fine.jpg", quality=95)
    for quality in (60, 75, 92):
        small.save(folder / f"q{quality}.jpg", quality=quality)
    small.convert("L").save(folder / "gray.jpg", quality=70)
    see_through.crop((20, 10, 101, 70)).save(folder / "small-see-through.png")
    deep(folder / "deep.png", np.asarray(small), None)
    deep(folder / "deep-see-through.png", np.asarray(poster)[10:70, 20:101], opacity(320, 200)[10:70, 20:101])
    small.save(folder / "turned.png", exif=exif)
    exif[MAKE], exif[DESCRIPTION] = "Maker", "Straße"
    exif.get_ifd(EXIF_IFD)[PIXEL_WIDTH] = 120
    small.save(folder / "camera.jpg", quality=90, exif=exif, icc_profile=profile)
    small.save(folder / "camera.png", exif=exif, icc_profile=profile)
    small.save(folder / "camera.webp", lossless=True, exif=exif, icc_profile=profile)


def deep(path, rgb, alpha):
    """Writes 16-bit values whose low bytes aren't their high ones."""
    noise = np.random.default_rng(3).integers(0, 257, rgb.shape)
    values = np.minimum(rgb.astype(int) * 257 + noise, 65535).astype("uint16")
    images.write(path, images.Picture(values, None if alpha is None else alpha.astype("uint16") * 257))


def check(cases):
    """Does what `wdsr-tf upscale` does, in float32 as the page, and compares.

    `cases` is a JSON file: a list of [options, input, the page's file].
    """
    upscalers, found = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for options, source, result in json.loads(Path(cases).read_text()):
            key = json.dumps(options, sort_keys=True)
            if key not in upscalers:
                model = weights.named(options["model"]) or options["model"] if "model" in options else None
                upscalers[key] = Upscaler(**(options | {"model": model, "precision": "float32"}))
            target = Path(folder) / f"expected{Path(result).suffix}"
            upscalers[key].upscale_file(source, target)
            found.append(compare(result, target))
    return found


def encode(cases):
    """Compares what the command line writes of the page's own pixels with the page's files.

    `cases` is a JSON file: a list of [the page's lossless file, the page's lossy file, quality].
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for lossless, lossy, quality in json.loads(Path(cases).read_text()):
            target = Path(folder) / f"expected{Path(lossy).suffix}"
            images.write(target, images.read_picture(lossless), quality)
            found.append(compare(lossy, target))
    return found


def own(folder):
    """Exports a bundled model in a form that isn't the page's own."""
    export(weights.named("wdsr-b-4-x2"), folder, formats=["onnx"], layout="nchw", value_range="0..1")


def repeat(folder):
    """Writes a network that repeats each pixel twice on both axes, and images of 0.1 and 12 megapixels."""
    import onnx
    from onnx import helper

    weights = np.tile(np.eye(3, dtype="float32"), (4, 1))[:, :, None, None]
    nodes = [
        helper.make_node("Transpose", ["lr"], ["planar"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planar", "weights"], ["deep"]),
        helper.make_node("DepthToSpace", ["deep"], ["wide"], blocksize=2),
        helper.make_node("Transpose", ["wide"], ["sr"], perm=[0, 2, 3, 1]),
    ]
    lr, sr = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", height, width, 3])
        for name, height, width in (("lr", "height", "width"), ("sr", "tall", "wide"))
    )
    graph = helper.make_graph(nodes, "repeat", [lr], [sr])
    graph.initializer.append(onnx.numpy_helper.from_array(weights, "weights"))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    field = {"radius": 0, "multiple": 1, "global_mean": False, "bytes_per_pixel": 256}
    said = {"architecture": "repeat", "scale": "2", "receptive_field": json.dumps(field), "facts": "{}"}
    helper.set_model_props(model, said)
    onnx.save(model, Path(folder) / "repeat.onnx")
    poster = Image.open(DEMO / "poster.png").convert("RGB")
    for name, size in (("tile", (320, 320)), ("large", (4000, 3000))):
        poster.resize(size).save(Path(folder) / f"{name}.png", compress_level=1)


def opacity(width, height):
    """Returns all values of alpha, with a transparent disk and an opaque band."""
    y, x = np.mgrid[:height, :width]
    values = (x * 255 // (width - 1)).astype("uint8")
    values[(x - width / 2) ** 2 + (y - height / 2) ** 2 < 40**2] = 0
    values[y < height // 4] = 255
    return values


def compare(a, b):
    """Returns the largest difference of two files, except in transparent colors, and whether all else agrees."""
    first, second = (images.read_picture(path) for path in (a, b))
    off = 256.0
    if first.rgb.shape == second.rgb.shape:
        off = difference(first, second)
    kinds = [(Image.open(path).format, p.rgb.dtype, p.gray, p.alpha is None) for path, p in ((a, first), (b, second))]
    profiles = [picture.metadata.get("icc_profile") for picture in (first, second)]
    tags = [exif_of(path) for path in (a, b)]
    size = first.rgb.shape[1::-1]
    return {"alike": kinds[0] == kinds[1] and profiles[0] == profiles[1], "off": float(off), "size": size, "exif": tags}


def difference(first, second):
    rgb, alpha = (
        [None if values is None else values.astype(float) * (255 / first.peak) for values in pair]
        for pair in ((first.rgb, second.rgb), (first.alpha, second.alpha))
    )
    off = np.abs(rgb[0] - rgb[1])
    if alpha[0] is None or alpha[1] is None:
        return off.max()
    seen = (alpha[0] > 0) & (alpha[1] > 0)
    return max(np.abs(alpha[0] - alpha[1]).max(), off[seen].max() if seen.any() else 0)


def exif_of(path):
    exif = Image.open(path).getexif()
    tags = {tag: value for tag, value in exif.items() if tag not in RESOLUTION | {EXIF_IFD}}
    return {str(tag): str(value) for tag, value in (tags | exif.get_ifd(EXIF_IFD)).items()}


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    functions = {"make": make, "check": check, "encode": encode, "compare": compare, "own": own, "repeat": repeat}
    print(json.dumps(functions[command](*words)))
