import concurrent.futures
import dataclasses
import re
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from tests.helpers import published
from tests.helpers.engines import Fake
from tests.inference.test_routing import route, write, write_bundled, write_facts
from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.images.resize import imresize
from wdsr_tf.inference import opened as module
from wdsr_tf.inference.engines import Choice, Engine
from wdsr_tf.inference.routing import routes
from wdsr_tf.inference.upscaler import Upscaler
from wdsr_tf.receptive_field import ReceptiveField

RGB = np.random.default_rng(0).integers(0, 256, (10, 16, 3), dtype="uint8")


@pytest.fixture
def upscaler(monkeypatch, tmp_path):
    """`upscaler(scales=(2,), scale=4, ...)`: models that repeat each pixel, one per scale."""

    def engine(path, **options):
        scale = int(re.search(r"x(\d)$", path.stem)[1])
        return Engine(
            "repeat", "float32", path.stem, scale, ReceptiveField(1), lambda x: repeated(x, scale).astype("float32")
        )

    def make(scales=(2,), **options):
        folder = tmp_path / "models"
        folder.mkdir(exist_ok=True)
        for scale in scales:
            write(folder, **{f"x{scale}": scale})
        return Upscaler(folder, **options)

    monkeypatch.setattr(module, "open_engine", engine)
    monkeypatch.setattr(module, "choose", lambda *options: Choice("repeat", "float32"))
    return make


def repeated(x, scale):
    return x.repeat(scale, axis=-3).repeat(scale, axis=-2)


def test_a_whole_number_of_passes_is_written_as_the_network_returns_it(upscaler, tmp_path):
    images.write(tmp_path / "a.png", RGB)
    upscaler(scale=4).upscale_file(tmp_path / "a.png", tmp_path / "b.png")
    np.testing.assert_array_equal(images.read(tmp_path / "b.png"), repeated(RGB, 4))


@pytest.mark.parametrize(
    "size, shape", [({"scale": 3}, (30, 48)), ({"size": "5x"}, (3, 5)), ({"scale": "0.5"}, (5, 8))]
)
def test_any_other_size_is_made_by_downscaling(upscaler, tmp_path, size, shape):
    white = np.full_like(RGB, 255)
    images.write(tmp_path / "a.png", images.Picture(white, metadata={"dpi": (100.0, 100.0)}))
    upscaler(**size).upscale_file(tmp_path / "a.png", tmp_path / "b.png")
    large = images.read_picture(tmp_path / "b.png")
    assert large.rgb.shape[:2] == shape and (large.rgb == 255).all()
    # PNG counts whole pixels per meter.
    np.testing.assert_allclose(large.metadata["dpi"], [100 * shape[1] / 16, 100 * shape[0] / 10], atol=0.02)


def test_sixteen_bits_go_through_every_pass(upscaler, tmp_path):
    pytest.importorskip("imagecodecs")
    deep = np.arange(480, dtype="uint16").reshape(10, 16, 3) * 131
    images.write(tmp_path / "a.png", images.Picture(deep))
    upscaler(scale=8).upscale_file(tmp_path / "a.png", tmp_path / "b.png")
    large = images.read_picture(tmp_path / "b.png").rgb
    assert large.dtype == "uint16"
    assert np.abs(large.astype(int) - repeated(deep, 8)).max() <= 1  # 0..255 in float32 has steps of 2**-17 near white
    upscaler(scale=8).upscale_file(tmp_path / "a.png", tmp_path / "b.jpg")
    assert images.read_picture(tmp_path / "b.jpg").rgb.dtype == "uint8"


@pytest.mark.parametrize("width, height", [(32, 50), (80, 20)])
def test_each_axis_has_its_own_resolution(upscaler, tmp_path, width, height):
    images.write(tmp_path / "a.tif", images.Picture(RGB, metadata={"dpi": (100.0, 50.0)}))
    upscaler(size=(width, height)).upscale_file(tmp_path / "a.tif", tmp_path / "b.tif")
    dpi = images.read_picture(tmp_path / "b.tif").metadata["dpi"]
    assert dpi == pytest.approx((100 * width / 16, 50 * height / 10))


@pytest.mark.parametrize("scale, shape", [(None, (20, 32)), (3, (30, 48))])
@pytest.mark.parametrize("channels", [1, 3])
def test_float_files_stay_float(upscaler, tmp_path, scale, shape, channels):
    tifffile = pytest.importorskip("tifffile")
    values = (RGB / 255).astype("float32")[..., :channels].squeeze()
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb" if channels == 3 else "minisblack")
    upscaler(scale=scale).upscale_file(tmp_path / "a.tif", tmp_path / "b.tif")
    large = images.read_picture(tmp_path / "b.tif")  # raises if bicubic went beyond 0..1
    assert large.rgb.dtype == "float32" and large.rgb.shape == (*shape, 3) and large.gray == (channels == 1)
    assert large.rgb.std() == pytest.approx(values.std(), rel=0.2)


def test_eight_bits_between_passes_are_held_to_a_fraction_of_a_level(upscaler, tmp_path, monkeypatch):
    def halves(batch):
        return repeated(np.asarray(batch, "float32"), 2) * np.float32(0.93)  # no whole levels

    engine = module.open_engine
    monkeypatch.setattr(module, "open_engine", lambda *a, **k: dataclasses.replace(engine(*a, **k), run=halves))
    images.write(tmp_path / "a.png", RGB)
    upscaler(scale=3).upscale_file(tmp_path / "a.png", tmp_path / "b.png")
    exact = np.clip(imresize(repeated(RGB, 4) * 0.93**2, size=(30, 48)), 0, 255)
    # Half a level of the last rounding; before it two passes (the first of which is multiplied by 0.93, and both by
    # bicubic weights whose sizes add up to 1.3 at most on each axis) and the resizing itself, each to 1/514 of a level.
    most = 0.5 + (1.93 * 1.3**2 + 1) / 514 + 1e-4  # and float32
    assert np.abs(images.read(tmp_path / "b.png") - exact).max() <= most


def test_any_other_size_takes_the_upscaled_image_as_16_bits_and_no_more(upscaler, tmp_path):
    busy = upscaler(scale=1.9, memory="4MiB")
    peaks = []
    for height in (400, 800, 1600):  # the first for whatever is made once
        images.write(tmp_path / "a.png", np.tile(RGB, (height // 10, 50, 1)))
        tracemalloc.start()
        busy.upscale_file(tmp_path / "a.png", tmp_path / "b.png")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    upscaled, original = 6 * 4 * 800 * 800, 3 * 800 * 800
    assert peaks[2] - peaks[1] < 1.2 * (upscaled + original)


def test_opaque_alpha_is_dropped_if_the_format_has_none(upscaler, tmp_path):
    images.write(tmp_path / "a.png", images.Picture(RGB, np.full(RGB.shape[:2], 255, "uint8")))
    upscaler().upscale_file(tmp_path / "a.png", tmp_path / "b.jpg")
    assert images.read_picture(tmp_path / "b.jpg").alpha is None
    upscaler().upscale_file(tmp_path / "a.png", tmp_path / "b.png")
    assert (images.read_picture(tmp_path / "b.png").alpha == 255).all()


def test_results_far_above_the_limit_are_refused(upscaler):
    busy = upscaler(scale=4, max_pixels=160)
    assert busy.result_size(10, 16) == (40, 64)
    with pytest.raises(InputError, match=r"17 x 10 pixels would become 68 x 40, .*16 times .*max_pixels"):
        busy.result_size(10, 17)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"memory": "much"}, "memory must be a size .* it is 'much'"),
        ({"engine": "onnx", "precision": "int8"}, "'onnx' doesn't run in precision 'int8'"),
        ({"engine": "torch"}, "Unknown engine 'torch'"),
        ({"noise": 1}, "No model removes noise of level 1"),
        ({"noise": 1, "size": "100x"}, "No model removes noise of level 1"),
        ({"scale": 2, "scales": (1,)}, "doesn't upscale"),
        ({"scale": 2, "size": "100x"}, "exclude each other"),
        ({"tile": 64, "memory": "1GiB"}, "tile and memory exclude each other"),
        ({"tile": 64, "overlap": 32}, "tile must be more than twice the overlap.* 32 pixels.* it is 64"),
        ({"tile": 2}, "Tiles of 2 pixels are too small.*Pass a tile of 4 or more"),
        ({"tile": "large"}, "tile must be the side"),
        ({"device": "gpus"}, "device must be auto, cpu, gpu, or gpu:N .* it is 'gpus'"),
        ({"device": "cpu:1"}, "device must be"),
    ],
)
def test_impossible_options_are_refused_at_once(upscaler, options, message):
    with pytest.raises(InputError, match=message):
        upscaler(**options)


def test_gray_and_alpha_stay_through_every_pass(upscaler, tmp_path):
    gray = images.Picture(RGB[..., :1].repeat(3, axis=-1), np.full(RGB.shape[:2], 128, "uint8"), gray=True)
    images.write(tmp_path / "a.png", gray)
    for factor in (4.0, 3.0):
        upscaler(scale=factor).upscale_file(tmp_path / "a.png", tmp_path / "b.png")
        large = images.read_picture(tmp_path / "b.png")
        assert large.gray and (large.alpha == 128).all()


def test_downscaling_without_a_model_leaves_no_halo(upscaler, tmp_path):
    alpha = np.zeros((10, 16), "uint8")
    alpha[3:8, 5:12] = 255
    rgb = np.where(alpha[..., None] > 0, (200, 10, 30), 255).astype("uint8")
    images.write(tmp_path / "a.png", images.Picture(rgb, alpha))
    upscaler(scale=0.5).upscale_file(tmp_path / "a.png", tmp_path / "b.png")
    small = images.read_picture(tmp_path / "b.png")
    assert (small.rgb[small.alpha > 0] == (200, 10, 30)).all()


def test_frames_of_an_animation_keep_their_times(upscaler, tmp_path):
    frames = [(images.Picture(RGB), 100), (images.Picture(255 - RGB), 250)]
    images.write_animation(tmp_path / "a.webp", frames, loop=3)
    upscaler().upscale_file(tmp_path / "a.webp", tmp_path / "b.webp")
    animation = images.read_frames(tmp_path / "b.webp")
    assert [time for _, time in animation.frames] == [100, 250] and animation.loop == 3
    np.testing.assert_array_equal(animation.frames[1][0].rgb, repeated(255 - RGB, 2))
    upscaler().upscale_file(tmp_path / "a.webp", tmp_path / "first.jpg")  # a format of stills takes the first
    assert images.read(tmp_path / "first.jpg").shape == (20, 32, 3)


def test_every_page_is_upscaled_or_named(upscaler, tmp_path):
    pages = [images.Picture(RGB), images.Picture(RGB[:5, :, :1].repeat(3, axis=-1), gray=True)]
    with images.open_pages(tmp_path / "a.tif", 2, 1000) as open_page:
        for page in pages:
            with open_page(*page.rgb.shape[:2], page) as writer:
                writer.append(page.rgb)
    lines, fractions = [], []
    busy = upscaler(log=lines.append)
    busy.upscale_file(tmp_path / "a.tif", tmp_path / "b.tif", progress=fractions.append)
    assert images.page_count(tmp_path / "b.tif") == 2 and fractions[-1] == 1
    np.testing.assert_array_equal(images.read(tmp_path / "b.tif"), repeated(RGB, 2))
    second = images.read_picture(tmp_path / "b.tif", page=1)
    assert second.gray and second.rgb.shape == (10, 32, 3)
    assert not any("was kept" in line for line in lines)
    busy.upscale_file(tmp_path / "a.tif", tmp_path / "b.png")
    assert any("only the first of its 2 pages was kept" in line for line in lines)


def test_what_a_format_cannot_hold_is_named(upscaler, tmp_path):
    metadata = {"text": ((b"tEXt", b"parameters\0a cat"),), "xmp": b"<x/>", "cicp": (9, 16)}
    images.write(tmp_path / "a.png", images.Picture(RGB, metadata=metadata))
    lines = []
    upscaler(log=lines.append).upscale_file(tmp_path / "a.png", tmp_path / "b.webp")
    assert any("a.png: WEBP files can't hold its text, PQ colors." in line for line in lines)
    frames = [(images.Picture(RGB), 100), (images.Picture(255 - RGB), 250)]
    images.write_animation(tmp_path / "a.gif", frames)
    upscaler(log=lines.append).upscale_file(tmp_path / "a.gif", tmp_path / "b.jpg")
    assert any("only the first of its frames was kept" in line for line in lines)


def test_what_the_format_cannot_hold_is_refused_before_any_work(upscaler, tmp_path):
    images.write(tmp_path / "a.png", images.Picture(RGB, RGB[..., 0]))
    images.write(tmp_path / "long.png", np.zeros((1, 20000, 3), "uint8"))
    busy = upscaler()
    for name, reason in (("a.jpg", "can't store transparency"), ("long.webp", "limited to 16383 pixels")):
        with pytest.raises(InputError, match=reason):
            busy.upscale_file(
                next(tmp_path.glob(f"{name.partition('.')[0]}.png")),
                tmp_path / name,
                progress=lambda fraction: pytest.fail("the model ran"),
            )
        assert not (tmp_path / name).exists()


def test_files_above_the_limit_are_refused(upscaler, tmp_path):
    images.write(tmp_path / "a.png", RGB)
    with pytest.raises(InputError, match=r"max.pixels"):
        upscaler(max_pixels=100).upscale_file(tmp_path / "a.png", tmp_path / "b.png")


def test_a_model_is_opened_once_and_logged(upscaler, tmp_path):
    images.write(tmp_path / "a.png", RGB)
    lines = []
    busy = upscaler(log=lines.append)
    for name in ("b.png", "c.png"):
        busy.upscale_file(tmp_path / "a.png", tmp_path / name)
    assert len(lines) == 1 and lines[0].endswith("x2.keras: x2 x2, repeat, float32")


@pytest.mark.parametrize("options", [{"scale": 4}, {"scale": 3}, {"scale": 0.5}, {"scale": 4, "self_ensemble": True}])
@pytest.mark.parametrize("memory", [None, "4MiB"])
def test_progress_rises_to_one(upscaler, tmp_path, options, memory):
    images.write(tmp_path / "a.png", np.tile(RGB, (5, 3, 1)))
    frames = [(images.Picture(RGB), 100), (images.Picture(255 - RGB), 250)]
    images.write_animation(tmp_path / "b.webp", frames, loop=3)
    busy = upscaler(memory=memory, **options)
    for run in (
        lambda progress: busy.upscale_file(tmp_path / "a.png", tmp_path / "sr.png", progress),
        lambda progress: busy.upscale_file(tmp_path / "b.webp", tmp_path / "sr.webp", progress),
        lambda progress: busy.upscale(np.tile(RGB, (5, 3, 1)), progress),
    ):
        fractions = []
        run(fractions.append)
        assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1)
        assert fractions[0] > 0 and (options["scale"] < 1 or len(fractions) > 1)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".avif", ".tif"])
def test_progress_counts_frames_and_pages(upscaler, tmp_path, suffix):
    source, target = tmp_path / f"a{suffix}", tmp_path / f"sr{suffix}"
    frames = [images.Picture(np.roll(RGB, i, axis=1)) for i in range(5)]
    if suffix == ".tif":
        pages = [Image.fromarray(picture.rgb) for picture in frames]
        pages[0].save(source, save_all=True, append_images=pages[1:])
    else:
        images.write_animation(source, [(picture, 100) for picture in frames])
    busy, fractions = upscaler(), []
    assert busy.result_pixels(source, target) == 5 * 4 * RGB[..., 0].size
    assert busy.result_pixels(source, tmp_path / "sr.jpg") == 4 * RGB[..., 0].size  # holds one
    busy.upscale_file(source, target, fractions.append)
    assert fractions == pytest.approx([0.2, 0.4, 0.6, 0.8, 1])


def test_values_that_are_not_finite_leave_no_file(upscaler, tmp_path, monkeypatch):
    images.write(tmp_path / "a.png", RGB)
    engine = module.open_engine
    monkeypatch.setattr(
        module,
        "open_engine",
        lambda *a, **k: dataclasses.replace(engine(*a, **k), run=lambda x: repeated(x, 2) * np.nan),
    )
    with pytest.raises(InputError, match="weights are damaged"):
        upscaler().upscale_file(tmp_path / "a.png", tmp_path / "b.png")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.png"]


def opened(lines):
    """The names of the checkpoints in the lines of a log."""
    return [re.search(r"([\w-]+)\.keras:", line)[1] for line in lines]


def test_a_jpeg_goes_through_the_model_for_jpeg_first(upscaler, tmp_path):
    (tmp_path / "models").mkdir()
    write_facts(tmp_path / "models", "q-x2", 2, {"jpeg": [50, 95]})
    lines = []
    busy = upscaler(scales=(2, 4), scale=4, log=lines.append)
    images.write(tmp_path / "a.jpg", RGB, 75)
    images.write(tmp_path / "b.png", RGB)
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")  # the name doesn't matter
    busy.upscale_file(tmp_path / "b.png", tmp_path / "b-sr.png")
    assert opened(lines) == ["x4"]
    busy.upscale_file(tmp_path / "a.png", tmp_path / "a-sr.png")
    assert opened(lines) == ["x4", "q-x2", "x2"]
    assert images.size(tmp_path / "a-sr.png") == images.size(tmp_path / "b-sr.png") == (40, 64)


@pytest.mark.parametrize("factor", [None, 1, 1.5, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("jpeg", [False, True])
def test_the_routes_as_data_are_what_runs(upscaler, tmp_path, factor, jpeg):
    (tmp_path / "models").mkdir()
    write_bundled(tmp_path / "models")
    lines = []
    busy = upscaler(scales=(), scale=factor, log=lines.append)
    table = routes(busy.models)
    images.write(tmp_path / ("a.jpg" if jpeg else "a.png"), RGB, 75)
    busy.upscale(next(tmp_path.glob("a.*")))
    names = route(table["jpeg" if jpeg else "clean"], factor or table["scale"])
    assert opened(lines) == list(dict.fromkeys(names))


def test_a_published_weights_file_is_converted_once_and_recognized_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    np.savez(tmp_path / "carn.npz", **published.EVERY["carn-m all"].arrays)
    lines = []
    three = Upscaler(tmp_path / "carn.npz", scale=3, engine="keras", log=lines.append)
    assert len(lines) == 1 and "carn.npz" in lines[0] and "carn-m x3" in lines[0]
    assert three.upscale(RGB).shape == (30, 48, 3)
    assert len(lines) == 2 and lines[1].endswith("carn.npz: carn-m x3, keras, float32")
    assert Upscaler(tmp_path / "carn.npz", scale=3, engine="keras").upscale(RGB).shape == (30, 48, 3)
    with pytest.raises(InputError, match="pass scale, such as 2"):
        Upscaler(tmp_path / "carn.npz")
    assert Upscaler(tmp_path / "carn.npz", size="40x", engine="keras").result_size(10, 16) == (25, 40)


def test_a_model_in_memory_upscales():
    lines = []
    np.testing.assert_array_equal(Upscaler(Fake().engine, log=lines.append).upscale(RGB), repeated(RGB, 2))
    assert lines == ["model in memory: fake x2, keras, float32"]


def test_an_unknown_suffix_is_refused_by_name(upscaler, tmp_path):
    images.write(tmp_path / "a.png", RGB)
    with pytest.raises(InputError, match=r"b\.xyz"):
        upscaler().upscale_file(tmp_path / "a.png", tmp_path / "b.xyz")


def test_a_tile_can_be_requested(upscaler, tmp_path):
    wide = upscaler(tile=8)
    np.testing.assert_array_equal(wide.upscale(RGB), repeated(RGB, 2))
    images.write(tmp_path / "a.png", RGB)
    assert [plan.tile for _, _, plan in wide.plans(tmp_path / "a.png")] == [(8, 8)]
    assert wide.recipe(tmp_path / "a.png") != upscaler().recipe(tmp_path / "a.png")


def test_a_jpeg_that_stays_as_large_is_cleaned(tmp_path):
    pytest.importorskip("onnxruntime")
    y, x = np.mgrid[:96, :120]
    clean = np.stack([128 + 90 * np.sin(x / (5 + k)) * np.sign(np.cos(y / 17 + k)) for k in range(3)], axis=-1)
    clean = images.to_uint8(clean)
    images.write(tmp_path / "a.jpg", clean, 30)
    made = Upscaler(scale=1).upscale(tmp_path / "a.jpg")
    assert made.shape == clean.shape
    after, before = (((rgb - clean.astype(float)) ** 2).mean() for rgb in (made, images.read(tmp_path / "a.jpg")))
    assert after < 0.9 * before


def test_noise_is_advised_for_a_grainy_image_and_reduces_the_grain(tmp_path):
    pytest.importorskip("onnxruntime")
    random, lines, left = np.random.default_rng(0), [], []
    ramp = np.linspace(60, 190, 128)[:, None, None].repeat(128, axis=1).repeat(3, axis=2)
    images.write(tmp_path / "clean.png", images.to_uint8(ramp))
    images.write(tmp_path / "scan.png", images.to_uint8(ramp + random.normal(0, 12, ramp.shape)))
    for noise in (None, 1):
        busy = Upscaler(noise=noise, log=lines.append)
        for name in ("clean", "scan"):
            busy.upscale_file(tmp_path / f"{name}.png", tmp_path / "sr.png")
        left.append(imresize(images.read(tmp_path / "sr.png").astype(float), 0.5) - ramp)
    assert [line for line in lines if "grainy" in line] == [
        f"{tmp_path / 'scan.png'}: looks grainy (sigma about 11); --noise 1 reduces it."
    ]
    assert left[1].std() < 0.7 * left[0].std()


def test_several_threads_use_one_upscaler_and_run_its_model_one_at_a_time(upscaler, monkeypatch):
    running, most = [], []
    engine = module.open_engine

    def slow(batch):
        running.append(1)
        most.append(len(running))
        time.sleep(0.001)
        running.pop()
        return repeated(batch, 2).astype("float32")

    monkeypatch.setattr(module, "open_engine", lambda *a, **k: dataclasses.replace(engine(*a, **k), run=slow))
    lines = []
    busy = upscaler(tile=8, log=lines.append)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for made in pool.map(busy.upscale, [RGB] * 8):
            np.testing.assert_array_equal(made, repeated(RGB, 2))
    assert max(most) == 1 and len(lines) == 1
