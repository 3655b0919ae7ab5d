import json
import threading

import numpy as np
import pytest

from wdsr_tf import benchmark, checkpoint, images
from wdsr_tf.data import div2k
from wdsr_tf.errors import InputError
from wdsr_tf.images import rgb_to_y

HEIGHTS_AND_WIDTHS = [(9, 12), (14, 10), (11, 11), (16, 9)]  # of LR; not square, so that swapped axes show
SEED = ["seed"]


@pytest.fixture
def pairs(tmp_path):
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
    return drawn


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


def unwatched(pictures, name):
    return pictures


def measured(paths, pairs, protocols=SEED, scale=2):
    return benchmark.measure_checkpoints(paths, pairs, scale, protocols, unwatched, lambda line: None)


def test_a_row_holds_what_the_formulas_give_for_the_network(tmp_path, pairs):
    model = save_network(tmp_path / "a.keras")
    (row,), failed = measured([tmp_path / "a.keras"], pairs, ["seed", "paper"])
    seed, paper = [], []
    for pair in pairs:
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
    folder = reference / "images" / "benchmark" / "Set5" / "image_SRF_2"
    row = benchmark.measure_bicubic(div2k.folder_pairs(folder, folder, 2), 2, ["paper"], unwatched)
    # Published: 33.66 dB and 0.9299, by MATLAB. The pictures were collected anew since, and images of these
    # benchmarks differ between collections by some hundredths.
    assert row.mean("paper") == (pytest.approx(33.68, abs=0.02), pytest.approx(0.93, abs=0.001))


def test_the_published_wdsr_reaches_its_published_figure_on_set5(reference, tmp_path):
    from wdsr_tf.importers.tensors import Tensors, land
    from wdsr_tf.models import create_model

    model = create_model("wdsr-a", 2, num_filters=32, num_res_blocks=8, res_expansion=6)
    with np.load(reference / "weights" / "wdsr_a_8_e6_x2.npz") as arrays:
        tensors = Tensors(arrays)
    parts = {"head": "head", "tail_x2": "tail", "skip_x2": "skip"}
    parts |= {f"body_{i}_{part}": f"body.{i}.{k}" for i in range(8) for part, k in (("expand", 0), ("project", 2))}
    land(model, tensors, {ours: tensors.conv(theirs) for ours, theirs in parts.items()})
    checkpoint.save(model, tmp_path / "published.keras")

    folder = reference / "images" / "benchmark" / "Set5" / "image_SRF_2"
    (row,), _ = measured([tmp_path / "published.keras"], div2k.folder_pairs(folder, folder, 2), ["paper"])
    assert row.mean("paper")[0] == pytest.approx(37.88, abs=0.005)  # the manifest says it to two decimals


def test_checkpoints_are_ranked_by_the_first_protocol(tmp_path, pairs):
    for name, bias in (("dark", -0.8), ("mean", 0.0), ("bright", 0.5)):
        save_network(tmp_path / f"{name}.keras", bias=bias)
    rows, _ = measured(sorted(tmp_path.glob("*.keras")), pairs)
    assert [row.name for row in rows] == [str(tmp_path / f"{name}.keras") for name in ("mean", "bright", "dark")]


def test_equal_rows_stay_in_their_order():
    rows = [benchmark.Row(name, {"seed": np.array([[30.0, 0.9]])}) for name in "ab"]
    assert [row.name for row in benchmark.ranked(rows, "seed")] == ["a", "b"]


def test_the_network_runs_once_per_picture_for_all_protocols(pairs):
    calls = []

    def enlarge(lr):
        calls.append(lr.shape)
        return lr.repeat(2, axis=0).repeat(2, axis=1)

    row = benchmark.measure("nearest", enlarge, pairs, 2, ["seed", "paper"], unwatched)
    assert [shape[:2] for shape in calls] == HEIGHTS_AND_WIDTHS
    assert row.figures["seed"].shape == row.figures["paper"].shape == (len(pairs), 2)


def test_pictures_of_all_sizes_share_a_compiled_function(tmp_path, monkeypatch):
    import keras

    from wdsr_tf.models import SRModel

    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow has functions of any shape")
    save_network(tmp_path / "a.keras")
    traces = []
    call = SRModel.call
    monkeypatch.setattr(SRModel, "call", lambda self, *args, **more: traces.append(1) or call(self, *args, **more))
    sizes = [(height, width) for height in (8, 9, 10) for width in (11, 12, 13)]
    measured([tmp_path / "a.keras"], draw(tmp_path / "pictures", sizes))
    assert len(traces) == 3  # the first size, then any width, then any height


def test_the_next_picture_is_decoded_while_one_is_worked_on(pairs, monkeypatch):
    load, begun = div2k.load, [threading.Event() for _ in pairs]

    def watched(path):
        begun[int(path.stem.split("_")[1])].set()
        assert threading.current_thread() is not threading.main_thread()
        return load(path)

    monkeypatch.setattr(div2k, "load", watched)
    pictures = benchmark.decoded(pairs)
    assert next(pictures)[0] == "img_0"
    assert begun[1].wait(timeout=60)
    assert not begun[2].is_set()  # one ahead, not all: memory stays bounded
    assert [name for name, _, _ in pictures] == ["img_1", "img_2", "img_3"]


def test_a_broken_checkpoint_and_one_that_is_not_finite_are_named_and_the_others_ranked(tmp_path, pairs):
    save_network(tmp_path / "good.keras")
    save_network(tmp_path / "nan.keras", bias=np.nan)
    whole = (tmp_path / "good.keras").read_bytes()
    (tmp_path / "cut.keras").write_bytes(whole[: len(whole) // 2])
    rows, failed = measured(sorted(tmp_path.glob("*.keras")), pairs)
    assert [row.name for row in rows] == [str(tmp_path / "good.keras")]
    assert list(failed) == [tmp_path / "cut.keras", tmp_path / "nan.keras"]
    assert "not a whole .keras file" in failed[tmp_path / "cut.keras"]
    assert "img_0" in failed[tmp_path / "nan.keras"] and "not finite" in failed[tmp_path / "nan.keras"]


def test_a_picture_that_equals_its_original_counts_as_100_db(tmp_path):
    for name, size in (("flat_LR.png", 8), ("flat_HR.png", 16)):
        images.write(tmp_path / name, np.full((size, size, 3), 77, "uint8"))
    flat = div2k.folder_pairs(tmp_path, tmp_path, 2)
    row = benchmark.measure_bicubic(flat, 2, ["paper"], unwatched)
    assert row.mean("paper") == (100.0, pytest.approx(1.0))


def test_checkpoints_are_found_below_a_folder_without_states_and_half_written_ones(tmp_path):
    for name in (
        "run/models/epoch-002.keras",
        "run/models/epoch-001.keras",
        "run/models/.ab12.keras",
        "run/state.keras",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "models").symlink_to(tmp_path / "run" / "models", target_is_directory=True)
    runs = [tmp_path / "run" / "models" / f"epoch-00{i}.keras" for i in (1, 2)]
    assert benchmark.find_checkpoints(tmp_path) == runs
    assert [p.name for p in benchmark.find_checkpoints(tmp_path / "models")] == ["epoch-001.keras", "epoch-002.keras"]
    assert benchmark.find_checkpoints(runs[1]) == [runs[1]]


@pytest.mark.parametrize("name, message", [("empty", "holds no checkpoints"), ("absent", "no such file or folder")])
def test_a_folder_without_checkpoints_is_an_error(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        benchmark.find_checkpoints(tmp_path / name)


def test_networks_of_different_scales_are_ranked_only_at_a_chosen_scale(tmp_path):
    paths = [tmp_path / "x2.keras", tmp_path / "x3.keras"]
    for scale, path in zip((2, 3), paths, strict=True):
        save_network(path, scale=scale)
    assert benchmark.of_one_scale(paths[1:]) == (paths[1:], 3, {})
    with pytest.raises(InputError, match=r"(?s)choose with --scale.*x2 .*x2.keras.*x3 .*x3.keras"):
        benchmark.of_one_scale(paths)
    assert benchmark.of_one_scale(paths, 2) == (paths[:1], 2, {paths[1]: "is x3, but --scale is 2"})


def test_the_result_keeps_means_and_figures_of_every_picture(tmp_path):
    rows = [benchmark.Row(n, {"seed": np.array([[p, 0.5], [p + 2, 0.7]])}) for n, p in (("a", 30.0), ("b", 20.0))]
    bicubic = benchmark.Row("bicubic", {"seed": np.array([[25.0, 0.6], [25.0, 0.6]])})
    ranking = benchmark.Ranking(rows, bicubic, {"c": "broken"}, ["seed"], ["0801", "0802"], 2, {"dataset": "BIN"})
    assert ranking.best == (31.0, "a")
    ranking.write(tmp_path / "bench.json")
    result = json.loads((tmp_path / "bench.json").read_text())
    figures = {"psnr": 31.0, "ssim": 0.6, "psnr_per_image": [30.0, 32.0], "ssim_per_image": [0.5, 0.7]}
    assert result["psnr"] == {"a": 31.0, "b": 21.0}
    assert result["models"]["a"]["seed"] == figures
    assert result["bicubic"]["seed"]["psnr"] == 25.0
    assert (result["images"], result["scale"], result["data"]) == (["0801", "0802"], 2, {"dataset": "BIN"})
    assert result["protocols"] == {"seed": "RGB, no border, float output"}
    assert result["failed"] == {"c": "broken"}
    assert ranking.table().splitlines() == [
        "dataset BIN, x2; means over 2 images",
        "seed: RGB, no border, float output",
        "",
        "rank    seed PSNR    SSIM  model",
        "   1      31.0000  0.6000  a",
        "   2      21.0000  0.6000  b",
        "   -      25.0000  0.6000  bicubic",
    ]
