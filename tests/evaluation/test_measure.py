import threading

import numpy as np
import pytest

from wdsr_tf import checkpoint, images
from wdsr_tf.data import div2k
from wdsr_tf.evaluation import measure
from wdsr_tf.evaluation.datasets import ImagePairs, of_benchmark
from wdsr_tf.evaluation.networks import Network
from wdsr_tf.images import rgb_to_y
from wdsr_tf.images.resize import imresize

HEIGHTS_AND_WIDTHS = [(9, 12), (14, 10), (11, 11), (16, 9)]  # of LR; not square, to detect swapped axes
SET14 = [  # heights and widths of its LR at x4, divided by four
    *[(30, 31), (36, 45), (32, 32), (18, 22), (22, 15), (17, 17), (22, 31)],
    *[(18, 21), (33, 32), (32, 33), (32, 48), (31, 32), (41, 33), (24, 36)],
]
KRASSERM = ["krasserm"]


@pytest.fixture
def pairs(tmp_path):
    """Four pairs of random images of different sizes at x2, in one plain folder."""
    return draw(tmp_path / "images", HEIGHTS_AND_WIDTHS)


def draw(folder, sizes, scale=2):
    random = np.random.default_rng(0)
    drawn = []
    for i, (height, width) in enumerate(sizes):
        for kind, factor in (("LR", 1), ("HR", scale)):
            image = random.integers(0, 256, (height * factor, width * factor, 3), "uint8")
            images.write(folder / f"img_{i}_{kind}.png", image)
        drawn.append(div2k.Pair(f"img_{i}", folder / f"img_{i}_LR.png", folder / f"img_{i}_HR.png"))
    return ImagePairs(drawn, scale, {"benchmark": str(folder)})


def save_network(path, *, bias=None, scale=2):
    """A tiny network at `path`; with `bias` every pixel of its output is DIV2K's mean + 127.5 * bias."""
    from wdsr_tf.models import create_model

    model = create_model("wdsr-a", scale, num_filters=4, num_res_blocks=1)
    if bias is not None:
        model.set_weights([np.zeros_like(w) for w in model.get_weights()])
        kernel, biases = model.get_layer(f"skip_x{scale}").get_weights()
        model.get_layer(f"skip_x{scale}").set_weights([kernel, biases + bias])
    checkpoint.save(model, path)
    return model


def measured(paths, pairs, protocols=KRASSERM, **options):
    networks = [Network(path.name, path) for path in paths]
    return measure.measure_networks(networks, pairs, protocols, **options)


def nearest(lr):
    return lr.repeat(2, axis=0).repeat(2, axis=1)


def test_a_row_has_the_figures_of_the_formulas(tmp_path, pairs):
    model = save_network(tmp_path / "a.keras")
    (row,), failed = measured([tmp_path / "a.keras"], pairs, ["krasserm", "paper"])
    krasserm, paper = [], []
    for pair in pairs.pairs:
        lr, hr = images.read(pair.lr), images.read(pair.hr)
        sr = np.asarray(model(lr[None]))[0]
        krasserm.append(10 * np.log10(255**2 / np.mean((sr.astype("float64") - hr) ** 2)))
        y = (rgb_to_y(image)[2:-2, 2:-2] for image in (np.clip(sr, 0, 255).round(), hr))
        paper.append(10 * np.log10(255**2 / np.mean(np.square(np.subtract(*y)))))
    assert not failed
    # One float32 network, eager and compiled, differs by some 1e-6 of its output; a value at .5 may round either way.
    assert row.figures["krasserm"][:, 0] == pytest.approx(krasserm, abs=1e-4)
    assert row.figures["paper"][:, 0] == pytest.approx(paper, abs=1e-2)
    assert row.mean("krasserm")[0] == pytest.approx(np.mean(krasserm), abs=1e-4)


def test_bicubic_reproduces_its_published_figure_on_set5(reference):
    set5 = of_benchmark(reference / "images" / "benchmark" / "Set5", 2)
    row, _ = measure.measure_bicubic(set5, ["paper"])
    # Published: 33.66 dB and 0.9299, by MATLAB, which upscaled luma in float. LR files are rounded.
    assert row.mean("paper")[:2] == (pytest.approx(33.68, abs=0.02), pytest.approx(0.93, abs=0.001))


def test_the_published_wdsr_reproduces_its_published_figure_on_set5(reference, tmp_path):
    from wdsr_tf.importers.tensors import assign
    from wdsr_tf.models import create_model

    model = create_model("wdsr-a", 2, num_filters=32, num_res_blocks=8, res_expansion=6)
    with np.load(reference / "weights" / "wdsr_a_8_e6_x2.npz") as arrays:
        tensors = dict(arrays)
    parts = {"head": "head", "tail_x2": "tail", "skip_x2": "skip"}
    parts |= {f"body_{i}_{part}": f"body.{i}.{k}" for i in range(8) for part, k in (("expand", 0), ("project", 2))}
    assign(model, tensors, lambda tensors, model: {ours: tensors.conv(theirs) for ours, theirs in parts.items()})
    checkpoint.save(model, tmp_path / "published.keras")

    set5 = of_benchmark(reference / "images" / "benchmark" / "Set5", 2)
    (row,), _ = measured([tmp_path / "published.keras"], set5, ["paper"])
    assert row.mean("paper")[0] == pytest.approx(37.88, abs=0.005)  # published with two decimals


def test_networks_are_ranked_by_the_first_protocol(tmp_path, pairs):
    for name, bias in (("dark", -0.8), ("mean", 0.0), ("bright", 0.5)):
        save_network(tmp_path / f"{name}.keras", bias=bias)
    rows, _ = measured(sorted(tmp_path.glob("*.keras")), pairs)
    assert [row.name for row in rows] == ["mean.keras", "bright.keras", "dark.keras"]


def test_ties_keep_their_order():
    rows = [measure.Row(name, {"krasserm": np.array([[30.0, 0.9, 0.9]])}) for name in "ab"]
    assert [row.name for row in measure.ranked(rows, "krasserm")] == ["a", "b"]


def test_the_network_runs_once_per_image_for_all_protocols(pairs):
    calls = []
    row = measure.measure("nearest", lambda lr: calls.append(lr.shape) or nearest(lr), pairs, KRASSERM)
    assert [shape[:2] for shape in calls] == HEIGHTS_AND_WIDTHS
    calls.clear()
    both = measure.measure("nearest", lambda lr: calls.append(lr.shape) or nearest(lr), pairs, ["krasserm", "paper"])
    assert len(calls) == len(pairs.pairs)
    assert both.figures["krasserm"].shape == both.figures["paper"].shape == (len(calls), 3)
    np.testing.assert_array_equal(both.figures["krasserm"], row.figures["krasserm"])


def test_set14_takes_at_most_three_traces_of_a_network(tmp_path, monkeypatch):
    import keras

    from wdsr_tf.models import SRModel

    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow has functions of any shape")
    save_network(tmp_path / "a.keras", scale=4)
    traces = []
    call = SRModel.call
    monkeypatch.setattr(SRModel, "call", lambda self, *args, **more: traces.append(1) or call(self, *args, **more))
    (row,), _ = measured([tmp_path / "a.keras"], draw(tmp_path / "images", SET14, scale=4))
    assert len(row.figures["krasserm"]) == len(SET14)
    assert 1 <= len(traces) <= 3


def test_progress_is_told_before_the_first_and_after_each_image(pairs):
    told = []
    measure.measure("nearest", nearest, pairs, KRASSERM, progress=lambda *facts: told.append(facts))
    assert told == [("nearest", done, 4) for done in range(5)]


def test_the_next_image_is_decoded_during_the_current_one(pairs, monkeypatch):
    load, begun = div2k.load, [threading.Event() for _ in pairs.pairs]

    def watched(path):
        begun[int(path.stem.split("_")[1])].set()
        assert threading.current_thread() is not threading.main_thread()
        return load(path)

    monkeypatch.setattr(div2k, "load", watched)
    samples = measure.decoded(pairs)
    assert next(samples)[0] == "img_0"
    assert begun[1].wait(timeout=60)
    assert not begun[2].is_set()  # one ahead, not all: memory stays bounded
    assert [name for name, _, _ in samples] == ["img_1", "img_2", "img_3"]


def test_a_damaged_checkpoint_and_one_with_nan_are_named_and_the_others_ranked(tmp_path, pairs):
    save_network(tmp_path / "good.keras")
    save_network(tmp_path / "nan.keras", bias=np.nan)
    content = (tmp_path / "good.keras").read_bytes()
    (tmp_path / "cut.keras").write_bytes(content[: len(content) // 2])
    rows, failed = measured(sorted(tmp_path.glob("*.keras")), pairs)
    assert [row.name for row in rows] == ["good.keras"]
    assert list(failed) == ["cut.keras", "nan.keras"]
    assert not failed["cut.keras"].startswith(str(tmp_path)) and ".keras" in failed["cut.keras"]
    assert "img_0" in failed["nan.keras"] and "finite" in failed["nan.keras"]


def test_an_exception_of_the_framework_fails_only_one_network(tmp_path, pairs, monkeypatch):
    from wdsr_tf.inference import strips as upscale

    class ResourceExhaustedError(Exception):
        pass

    def raises_on_the_second_image(model, lr):
        if lr.shape[:2] == HEIGHTS_AND_WIDTHS[1] and model.get_weights()[0].any():
            raise ResourceExhaustedError("OOM when allocating tensor\n" + "and a long story\n" * 100)
        return nearest(lr)

    save_network(tmp_path / "heavy.keras")
    save_network(tmp_path / "light.keras", bias=0)
    monkeypatch.setattr(upscale, "upscale", raises_on_the_second_image)
    rows, failed = measured(sorted(tmp_path.glob("*.keras")), pairs)
    assert [row.name for row in rows] == ["light.keras"]
    assert failed == {"heavy.keras": "Image img_1: ResourceExhaustedError: OOM when allocating tensor"}


def test_ctrl_c_is_not_a_failure_of_the_network(tmp_path, pairs, monkeypatch):
    from wdsr_tf.inference import strips as upscale

    def stopped(model, lr):
        raise KeyboardInterrupt

    save_network(tmp_path / "a.keras")
    monkeypatch.setattr(upscale, "upscale", stopped)
    with pytest.raises(KeyboardInterrupt):
        measured([tmp_path / "a.keras"], pairs)


def test_a_row_has_seconds_and_memory(tmp_path, pairs):
    save_network(tmp_path / "a.keras")
    (row,), _ = measured([tmp_path / "a.keras"], pairs)
    assert 0 < row.seconds < 600
    if row.peak_memory is not None:
        assert 2**26 < row.peak_memory < 2**36  # Keras and its backend alone take more than 64 MiB


def test_memory_is_none_if_the_system_does_not_tell(tmp_path, pairs, monkeypatch):
    save_network(tmp_path / "a.keras")
    monkeypatch.setattr(measure.memory, "PROCESS", tmp_path / "absent")
    (row,), _ = measured([tmp_path / "a.keras"], pairs)
    assert row.peak_memory is None


def test_lr_made_from_hr_is_float_for_luma_networks_and_rounded_for_rgb_networks(tmp_path, monkeypatch):
    from wdsr_tf.inference import strips as upscale
    from wdsr_tf.models import create_model

    hr = np.random.default_rng(0).integers(0, 256, (24, 20, 3), "uint8")
    images.write(tmp_path / "hr" / "a.png", hr)
    checkpoint.save(create_model("srcnn", 2, num_filters=2), tmp_path / "luma.keras")
    save_network(tmp_path / "rgb.keras")
    given = {}
    monkeypatch.setattr(upscale, "upscale", lambda model, lr: given.update({model.architecture: lr}) or nearest(lr))
    paths = [tmp_path / "luma.keras", tmp_path / "rgb.keras"]
    rows, _ = measured(paths, of_benchmark(tmp_path / "hr", 2))
    assert {row.name: row.rounded for row in rows} == {"luma.keras": False, "rgb.keras": True}
    assert given["srcnn"].dtype == "float32" and given["wdsr-a"].dtype == "uint8"
    np.testing.assert_array_equal(given["wdsr-a"], imresize(hr, 1 / 2, edges="repeat"))
    np.testing.assert_array_equal(given["srcnn"], imresize(hr.astype("float32"), 1 / 2, edges="repeat"))
    rows, _ = measured(paths, of_benchmark(tmp_path / "hr", 2, jpeg_quality=90))
    assert all(row.rounded for row in rows)
    assert given["srcnn"].dtype == "uint8"


def test_the_self_ensemble_runs_a_network_eight_times(tmp_path, pairs, monkeypatch):
    from wdsr_tf.inference import strips as upscale

    save_network(tmp_path / "a.keras")
    (plain,), _ = measured([tmp_path / "a.keras"], pairs)
    calls, original = [], upscale.upscale
    monkeypatch.setattr(upscale, "upscale", lambda model, lr: calls.append(lr.shape[:2]) or original(model, lr))
    (row,), _ = measured([tmp_path / "a.keras"], pairs, self_ensemble=True)
    assert len(calls) == 8 * len(pairs.pairs)
    assert calls[:4] == [(9, 12), (12, 9)] * 2
    assert row.mean("krasserm")[0] > plain.mean("krasserm")[0]  # the mean of several estimates is nearer to noise


def test_a_perfect_image_counts_as_100_db(tmp_path):
    for name, size in (("flat_LR.png", 8), ("flat_HR.png", 16)):
        images.write(tmp_path / name, np.full((size, size, 3), 77, "uint8"))
    row, _ = measure.measure_bicubic(of_benchmark(tmp_path, 2), ["paper"])
    assert row.mean("paper")[:2] == (100.0, pytest.approx(1.0))


def test_ms_ssim_is_not_measured_on_images_too_small_for_it(tmp_path):
    row, _ = measure.measure_bicubic(draw(tmp_path, [(5, 20), (9, 12)]), ["krasserm"])
    assert np.isnan(row.figures["krasserm"]).tolist() == [[False, False, True], [False, False, False]]
    assert row.mean("krasserm")[2] == row.figures["krasserm"][1, 2]


def test_the_hash_covers_names_and_pixels(tmp_path):
    def sha256(folder):
        return measure.measure_bicubic(of_benchmark(tmp_path / folder, 2), ["krasserm"])[1]

    for folder in ("a", "b", "renamed"):
        draw(tmp_path / folder, HEIGHTS_AND_WIDTHS)
    for side in ("LR", "HR"):
        (tmp_path / "renamed" / f"img_3_{side}.png").rename(tmp_path / "renamed" / f"img_4_{side}.png")
    first = sha256("a")
    assert first == sha256("b") != sha256("renamed")
    path = tmp_path / "b" / "img_0_LR.png"
    changed = images.read(path)
    images.write(path.with_suffix(".bmp"), changed)
    path.unlink()
    assert sha256("b") == first  # another format, the same pixels
    changed[0, 0, 0] ^= 1
    images.write(path.with_suffix(".bmp"), changed)
    assert sha256("b") != first
