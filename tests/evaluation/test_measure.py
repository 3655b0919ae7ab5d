import threading

import numpy as np
import pytest

from wdsr_tf import checkpoint, images
from wdsr_tf.data import div2k
from wdsr_tf.evaluation import measure
from wdsr_tf.evaluation.datasets import Pictures, of_benchmark
from wdsr_tf.evaluation.networks import Network
from wdsr_tf.images import rgb_to_y

HEIGHTS_AND_WIDTHS = [(9, 12), (14, 10), (11, 11), (16, 9)]  # of LR; not square, so that swapped axes show
SET14 = [  # heights and widths of its LR pictures at x4, a quarter as large: the shapes are what counts
    *[(30, 31), (36, 45), (32, 32), (18, 22), (22, 15), (17, 17), (22, 31)],
    *[(18, 21), (33, 32), (32, 33), (32, 48), (31, 32), (41, 33), (24, 36)],
]
SEED = ["seed"]


@pytest.fixture
def pictures(tmp_path):
    """Four pairs of random pictures of different sizes at x2, in one plain folder."""
    return draw(tmp_path / "pictures", HEIGHTS_AND_WIDTHS)


def draw(folder, sizes, scale=2):
    random = np.random.default_rng(0)
    drawn = []
    for i, (height, width) in enumerate(sizes):
        for kind, factor in (("LR", 1), ("HR", scale)):
            picture = random.integers(0, 256, (height * factor, width * factor, 3), "uint8")
            images.write(folder / f"img_{i}_{kind}.png", picture)
        drawn.append(div2k.Pair(f"img_{i}", folder / f"img_{i}_LR.png", folder / f"img_{i}_HR.png"))
    return Pictures(drawn, scale, {"benchmark": str(folder)})


def save_network(path, *, bias=None, scale=2):
    """A tiny network at `path`; with `bias` it paints every pixel DIV2K's mean + 127.5 * bias."""
    from wdsr_tf.models import create_model

    model = create_model("wdsr-a", scale, num_filters=4, num_res_blocks=1)
    if bias is not None:
        model.set_weights([np.zeros_like(w) for w in model.get_weights()])
        kernel, biases = model.get_layer(f"skip_x{scale}").get_weights()
        model.get_layer(f"skip_x{scale}").set_weights([kernel, biases + bias])
    checkpoint.save(model, path)
    return model


def unwatched(samples, name):
    return samples


def measured(paths, pictures, protocols=SEED, **how):
    networks = [Network(path.name, path) for path in paths]
    return measure.measure_networks(networks, pictures, protocols, unwatched, lambda line: None, **how)


def nearest(lr):
    return lr.repeat(2, axis=0).repeat(2, axis=1)


def test_a_row_holds_what_the_formulas_give_for_the_network(tmp_path, pictures):
    model = save_network(tmp_path / "a.keras")
    (row,), failed = measured([tmp_path / "a.keras"], pictures, ["seed", "paper"])
    seed, paper = [], []
    for pair in pictures.pairs:
        lr, hr = images.read(pair.lr), images.read(pair.hr)
        sr = np.asarray(model(lr[None]))[0]
        seed.append(10 * np.log10(255**2 / np.mean((sr.astype("float64") - hr) ** 2)))
        y = (rgb_to_y(image)[2:-2, 2:-2] for image in (np.clip(sr, 0, 255).round(), hr))
        paper.append(10 * np.log10(255**2 / np.mean(np.square(np.subtract(*y)))))
    assert not failed
    # One float32 network, eager and compiled, differs by some 1e-6 of its output; a value at .5 may round either way.
    assert row.figures["seed"][:, 0] == pytest.approx(seed, abs=1e-4)
    assert row.figures["paper"][:, 0] == pytest.approx(paper, abs=1e-2)
    assert row.mean("seed")[0] == pytest.approx(np.mean(seed), abs=1e-4)


def test_bicubic_reaches_its_published_figure_on_set5(reference):
    set5 = of_benchmark(reference / "images" / "benchmark" / "Set5", 2)
    row, _ = measure.measure_bicubic(set5, ["paper"], unwatched)
    # Published: 33.66 dB and 0.9299, by MATLAB, which enlarged luma in float. LR files are rounded.
    assert row.mean("paper")[:2] == (pytest.approx(33.68, abs=0.02), pytest.approx(0.93, abs=0.001))


def test_the_published_wdsr_reaches_its_published_figure_on_set5(reference, tmp_path):
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
    assert row.mean("paper")[0] == pytest.approx(37.88, abs=0.005)  # the manifest says it to two decimals


def test_networks_are_ranked_by_the_first_protocol(tmp_path, pictures):
    for name, bias in (("dark", -0.8), ("mean", 0.0), ("bright", 0.5)):
        save_network(tmp_path / f"{name}.keras", bias=bias)
    rows, _ = measured(sorted(tmp_path.glob("*.keras")), pictures)
    assert [row.name for row in rows] == ["mean.keras", "bright.keras", "dark.keras"]


def test_equal_rows_stay_in_their_order():
    rows = [measure.Row(name, {"seed": np.array([[30.0, 0.9, 0.9]])}) for name in "ab"]
    assert [row.name for row in measure.ranked(rows, "seed")] == ["a", "b"]


def test_the_network_runs_once_per_picture_for_all_protocols(pictures):
    calls = []
    row = measure.measure("nearest", lambda lr: calls.append(lr.shape) or nearest(lr), pictures, SEED, unwatched)
    assert [shape[:2] for shape in calls] == HEIGHTS_AND_WIDTHS
    calls.clear()
    both = measure.measure(
        "nearest", lambda lr: calls.append(lr.shape) or nearest(lr), pictures, ["seed", "paper"], unwatched
    )
    assert len(calls) == len(pictures.pairs)
    assert both.figures["seed"].shape == both.figures["paper"].shape == (len(calls), 3)
    np.testing.assert_array_equal(both.figures["seed"], row.figures["seed"])


def test_set14_takes_three_traces_of_a_network_at_most(tmp_path, monkeypatch):
    import keras

    from wdsr_tf.models import SRModel

    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow has functions of any shape")
    save_network(tmp_path / "a.keras", scale=4)
    traces = []
    call = SRModel.call
    monkeypatch.setattr(SRModel, "call", lambda self, *args, **more: traces.append(1) or call(self, *args, **more))
    (row,), _ = measured([tmp_path / "a.keras"], draw(tmp_path / "pictures", SET14, scale=4))
    assert len(row.figures["seed"]) == len(SET14)
    assert 1 <= len(traces) <= 3


def test_the_next_picture_is_decoded_while_one_is_worked_on(pictures, monkeypatch):
    load, begun = div2k.load, [threading.Event() for _ in pictures.pairs]

    def watched(path):
        begun[int(path.stem.split("_")[1])].set()
        assert threading.current_thread() is not threading.main_thread()
        return load(path)

    monkeypatch.setattr(div2k, "load", watched)
    samples = measure.decoded(pictures)
    assert next(samples)[0] == "img_0"
    assert begun[1].wait(timeout=60)
    assert not begun[2].is_set()  # one ahead, not all: memory stays bounded
    assert [name for name, _, _ in samples] == ["img_1", "img_2", "img_3"]


def test_a_broken_checkpoint_and_one_that_is_not_finite_are_named_and_the_others_ranked(tmp_path, pictures):
    save_network(tmp_path / "good.keras")
    save_network(tmp_path / "nan.keras", bias=np.nan)
    whole = (tmp_path / "good.keras").read_bytes()
    (tmp_path / "cut.keras").write_bytes(whole[: len(whole) // 2])
    rows, failed = measured(sorted(tmp_path.glob("*.keras")), pictures)
    assert [row.name for row in rows] == ["good.keras"]
    assert list(failed) == ["cut.keras", "nan.keras"]
    assert failed["cut.keras"].startswith("is not a whole .keras file")
    assert "img_0" in failed["nan.keras"] and "not finite" in failed["nan.keras"]


def test_what_a_framework_raises_fails_one_network_alone(tmp_path, pictures, monkeypatch):
    from wdsr_tf.inference import strips as upscale

    class ResourceExhaustedError(Exception):
        pass

    def raises_on_the_second_picture(model, lr):
        if lr.shape[:2] == HEIGHTS_AND_WIDTHS[1] and model.get_weights()[0].any():
            raise ResourceExhaustedError("OOM when allocating tensor\n" + "and a long story\n" * 100)
        return nearest(lr)

    save_network(tmp_path / "heavy.keras")
    save_network(tmp_path / "light.keras", bias=0)
    monkeypatch.setattr(upscale, "upscale", raises_on_the_second_picture)
    rows, failed = measured(sorted(tmp_path.glob("*.keras")), pictures)
    assert [row.name for row in rows] == ["light.keras"]
    assert failed == {"heavy.keras": "on picture img_1: ResourceExhaustedError: OOM when allocating tensor"}


def test_a_stop_by_hand_is_not_held_against_a_network(tmp_path, pictures, monkeypatch):
    from wdsr_tf.inference import strips as upscale

    def stopped(model, lr):
        raise KeyboardInterrupt

    save_network(tmp_path / "a.keras")
    monkeypatch.setattr(upscale, "upscale", stopped)
    with pytest.raises(KeyboardInterrupt):
        measured([tmp_path / "a.keras"], pictures)


def test_a_row_knows_seconds_and_memory_of_its_network(tmp_path, pictures):
    save_network(tmp_path / "a.keras")
    (row,), _ = measured([tmp_path / "a.keras"], pictures)
    assert 0 < row.seconds < 600
    if row.peak_memory is not None:
        assert 2**26 < row.peak_memory < 2**36  # Keras and its backend alone take more than 64 MiB


def test_memory_that_the_system_does_not_tell_is_not_guessed(tmp_path, pictures, monkeypatch):
    save_network(tmp_path / "a.keras")
    monkeypatch.setattr(measure.memory, "PROCESS", tmp_path / "absent")
    (row,), _ = measured([tmp_path / "a.keras"], pictures)
    assert row.peak_memory is None


def test_a_luma_network_is_given_made_lr_in_float_and_an_rgb_network_rounded(tmp_path, monkeypatch):
    from wdsr_tf.inference import strips as upscale
    from wdsr_tf.models import create_model

    images.write(tmp_path / "hr" / "a.png", np.random.default_rng(0).integers(0, 256, (24, 20, 3), "uint8"))
    checkpoint.save(create_model("srcnn", 2, num_filters=2), tmp_path / "luma.keras")
    save_network(tmp_path / "rgb.keras")
    given = {}
    monkeypatch.setattr(upscale, "upscale", lambda model, lr: given.update({model.architecture: lr}) or nearest(lr))
    paths = [tmp_path / "luma.keras", tmp_path / "rgb.keras"]
    rows, _ = measured(paths, of_benchmark(tmp_path / "hr", 2))
    assert {row.name: row.rounded for row in rows} == {"luma.keras": False, "rgb.keras": True}
    assert given["srcnn"].dtype == "float32" and given["wdsr-a"].dtype == "uint8"
    np.testing.assert_array_equal(np.clip(np.floor(given["srcnn"] + 0.5), 0, 255), given["wdsr-a"])
    rows, _ = measured(paths, of_benchmark(tmp_path / "hr", 2, jpeg_quality=90))
    assert all(row.rounded for row in rows)
    assert given["srcnn"].dtype == "uint8"


def test_the_self_ensemble_runs_a_network_in_eight_positions(tmp_path, pictures, monkeypatch):
    from wdsr_tf.inference import strips as upscale

    save_network(tmp_path / "a.keras")
    (plain,), _ = measured([tmp_path / "a.keras"], pictures)
    calls, whole = [], upscale.upscale
    monkeypatch.setattr(upscale, "upscale", lambda model, lr: calls.append(lr.shape[:2]) or whole(model, lr))
    (row,), _ = measured([tmp_path / "a.keras"], pictures, ensemble=True)
    assert len(calls) == 8 * len(pictures.pairs)
    assert calls[:4] == [(9, 12), (12, 9)] * 2
    assert row.mean("seed")[0] > plain.mean("seed")[0]  # a mean is nearer to noise than what it is the mean of


def test_a_picture_that_equals_its_original_counts_as_100_db(tmp_path):
    for name, size in (("flat_LR.png", 8), ("flat_HR.png", 16)):
        images.write(tmp_path / name, np.full((size, size, 3), 77, "uint8"))
    row, _ = measure.measure_bicubic(of_benchmark(tmp_path, 2), ["paper"], unwatched)
    assert row.mean("paper")[:2] == (100.0, pytest.approx(1.0))


def test_ms_ssim_is_not_measured_on_pictures_too_small_for_it(tmp_path):
    row, _ = measure.measure_bicubic(draw(tmp_path, [(5, 20), (9, 12)]), ["seed"], unwatched)
    assert np.isnan(row.figures["seed"]).tolist() == [[False, False, True], [False, False, False]]
    assert row.mean("seed")[2] == row.figures["seed"][1, 2]


def test_the_hash_is_of_names_and_pixels(tmp_path):
    def sha256(folder):
        return measure.measure_bicubic(of_benchmark(tmp_path / folder, 2), ["seed"], unwatched)[1]

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
