import json
import re

import numpy as np
import pytest

from tests.evaluation.test_measure import draw, save_network
from tests.evaluation.test_networks import write_srcnn
from tests.helpers.commands import runner
from wdsr_tf import images
from wdsr_tf.commands.bench import COMMAND
from wdsr_tf.images.resize import imresize

pytestmark = pytest.mark.usefixtures("empty_cache")


@pytest.fixture
def bench(capsys, monkeypatch):
    """`bench(folder, *words)` runs the command in `folder`."""
    run = runner(lambda words: COMMAND.main(words, "bench.py"), capsys)

    def in_folder(folder, *words):
        monkeypatch.chdir(folder)
        return run(*words)

    return in_folder


def write_dataset(root, ids=("0801", "0802", "0803")):
    """Writes a dataset like convert.py: random validation images at x2."""
    random = np.random.default_rng(0)
    hr, lr = root / "TINY_valid_HR", root / "TINY_valid_LR_bicubic" / "X2"
    for folder in (hr, lr):
        folder.mkdir(parents=True)
    for i in ids:
        np.save(hr / f"{i}.npy", random.integers(0, 256, (24, 20, 3), "uint8"))
        np.save(lr / f"{i}x2.npy", random.integers(0, 256, (12, 10, 3), "uint8"))


def test_bench_ranks_the_newest_runs_models_on_the_dataset_by_default(bench, tmp_path):
    write_dataset(tmp_path / "DIV2K_BIN")
    models = tmp_path / "output" / "models"
    for name, bias in (("epoch-001.keras", 0.5), ("epoch-002.keras", 0.0)):
        save_network(models / name, bias=bias)
    run = bench(tmp_path, "--protocol", "all", "--validation-images", "801-802", "--gpu-memory-fraction", "0.8")
    assert run.returncode == 0, run.stderr
    result = json.loads((tmp_path / "bench.json").read_text())
    second = "output/models/epoch-002.keras"
    assert list(result["psnr"]) == [second, "output/models/epoch-001.keras"]
    assert run.stdout.splitlines()[-1] == f"Best PSNR = {result['psnr'][second]:.4f} for model {second}"
    assert list(result["protocols"]) == ["krasserm", "ntire", "paper"]
    assert result["data"] == {"dataset": "./DIV2K_BIN", "downgrade": "bicubic"}
    assert result["images"] == ["0801", "0802"]
    ranks = [line.split()[0] for line in run.stdout.splitlines() if line.endswith((".keras", "bicubic"))]
    assert ranks == ["1", "2", "-"] * 3 + ["Best"]  # a block for each protocol
    assert max(map(len, run.stdout.splitlines())) <= 100
    assert "--gpu-memory-fraction is ignored" in run.stderr
    assert f"PSNR = {result['psnr'][second]:.4f} for model {second}" in run.stderr


def test_bench_lists_models_that_cannot_be_ranked(bench, tmp_path):
    draw(tmp_path / "pictures", [(9, 12), (12, 9)])
    save_network(tmp_path / "models" / "good.keras")
    save_network(tmp_path / "models" / "nan.keras", bias=np.nan)
    save_network(tmp_path / "models" / "three.keras", scale=3)
    (tmp_path / "models" / "broken.keras").write_bytes(b"PK")
    run = bench(tmp_path, "-i", "models", "--scale", 2, "--lr-dir", "pictures", "--hr-dir", "pictures", "-o", "r.json")
    assert run.returncode == 1
    assert run.stdout.splitlines()[-1].startswith("Best PSNR = ")
    assert run.stdout.splitlines()[-1].endswith(" for model models/good.keras")
    result = json.loads((tmp_path / "r.json").read_text())
    assert list(result["psnr"]) == ["models/good.keras"]
    assert result["failed"].keys() == {"models/broken.keras", "models/nan.keras", "models/three.keras"}
    at_the_end = run.stderr.partition("Not ranked:")[2]
    assert all(f"\n  {path}: {reason}" in at_the_end for path, reason in result["failed"].items())


def test_bench_ranks_named_files_on_hr_alone_and_compares_with_an_earlier_run(bench, tmp_path):
    for name, bias in (("a", 0.0), ("b", 0.5)):
        save_network(tmp_path / f"{name}.keras", bias=bias)
        images.write(tmp_path / "hr" / f"{name}.png", np.random.default_rng(0).integers(0, 256, (25, 37), "uint8"))
    common = ["--benchmark", "hr", "--models", "first=a.keras", "second=b.keras"]
    assert bench(tmp_path, *common).returncode == 0
    more = ["--jpeg-quality", 50, "--self-ensemble", "--csv", "new.csv", "--compare", "bench.json", "-o", "new.json"]
    run = bench(tmp_path, *common, *more)
    assert run.returncode == 0, run.stderr
    old, new = (json.loads((tmp_path / name).read_text()) for name in ("bench.json", "new.json"))
    assert list(old["psnr"]) == list(new["psnr"]) == ["first", "second"]
    assert old["data"] == {"benchmark": "hr", "lr": "MATLAB's bicubic"}
    assert new["data"] == old["data"] | {"jpeg_quality": 50, "jpeg_subsampling": "4:2:0"}
    assert (old["ensemble"], new["ensemble"]) == (False, True)
    assert 0 < old["runs"]["first"]["seconds"] < 600
    assert (tmp_path / "new.csv").read_text().splitlines()[1].startswith("first,krasserm,")
    against = run.stdout.partition("Compared with bench.json")[2]
    assert f"sha256 differs: {old['sha256']} then, {new['sha256']} now." in against
    change = new["bicubic"]["krasserm"]["psnr"] - old["bicubic"]["krasserm"]["psnr"]
    assert re.search(rf"{re.escape(f'{change:+.4f}')} \S+ +\S+ +- +-  krasserm  bicubic", against)
    assert run.stdout.splitlines()[-1] == f"Best PSNR = {new['psnr']['first']:.4f} for model first"


def test_bench_saves_the_upscaled_images_of_every_model_and_of_bicubic(bench, tmp_path):
    save_network(tmp_path / "a.keras")
    hr = np.random.default_rng(0).integers(0, 256, (24, 20, 3), "uint8")
    images.write(tmp_path / "hr" / "deeper" / "a.png", hr)
    common = ["--benchmark", "hr", "--models", "runs/a=a.keras"]
    assert bench(tmp_path, *common, "--save-images", "out").returncode == 0
    lr = imresize(hr, 1 / 2, edges="repeat")
    np.testing.assert_array_equal(
        images.read(tmp_path / "out/bicubic/deeper/a.png"), images.to_uint8(imresize(lr.astype("float32"), 2))
    )
    assert images.read(tmp_path / "out/runs/a/deeper/a.png").shape == hr.shape
    run = bench(tmp_path, *common, "--save-images", "hr/out")
    assert run.returncode == 1 and "can't be saved in hr" in run.stderr
    run = bench(tmp_path, "--benchmark", "hr", "--models", "../a=a.keras", "--save-images", "out")
    assert run.returncode == 1 and not (tmp_path / "a").exists()


def test_bench_ranks_published_weights_directly(bench, tmp_path):
    write_srcnn(tmp_path / "srcnn.npz")
    images.write(tmp_path / "hr" / "a.png", np.random.default_rng(0).integers(0, 256, (24, 30, 3), "uint8"))
    run = bench(tmp_path, "-i", "srcnn.npz", "--scale", 3, "--benchmark", "hr")
    assert run.returncode == 0, run.stderr
    assert re.search(r"srcnn\.npz: .*6 tensors: srcnn x3", run.stderr)
    assert json.loads((tmp_path / "bench.json").read_text())["scale"] == 3
    assert run.stdout.splitlines()[-1].endswith(" for model srcnn.npz")
    asked = ["--metrics", "psnr,lr-consistency,color-shift", "--rank-by", "gmsd"]
    run = bench(tmp_path, "--models", "published=srcnn.npz", "--scale", 3, "--benchmark", "hr", *asked)
    assert "rank     PSNR  LR-PSNR  shift    GMSD  seconds     MiB  model" in run.stdout.splitlines()
    assert re.fullmatch(r"Best GMSD = 0\.\d{4} for model published", run.stdout.splitlines()[-1])
    assert json.loads((tmp_path / "bench.json").read_text())["rank_by"] == "gmsd"
    assert "tensors" not in run.stderr  # the conversion was kept


def test_progress_is_shown_for_each_model(bench, tmp_path):
    save_network(tmp_path / "a.keras")
    draw(tmp_path / "set", [(9, 12), (12, 9)])
    run = bench(tmp_path, "-i", "a.keras", "--benchmark", "set")
    for name in ("bicubic", "a.keras"):
        assert re.search(rf"{re.escape(name)}: .*0/2", run.stderr)


def test_names_neither_steer_the_terminal_nor_pretend_to_be_lines(bench, tmp_path):
    name = "a\x1b[2J\nBest PSNR\r"
    save_network(tmp_path / "models" / f"{name}.keras")
    (tmp_path / "models" / f"{name}b.keras").write_bytes(b"PK")
    draw(tmp_path / "set", [(9, 12)])
    run = bench(tmp_path, "-i", "models", "--benchmark", "set")
    assert "\x1b[2J" not in run.stdout + run.stderr and run.stdout.count("\nBest PSNR") == 1
    assert "a\\x1b[2J\\nBest PSNR\\x0d.keras" in run.stdout and "a\\x1b[2J\\nBest PSNR\\x0db.keras" in run.stderr


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Checkpoints of x2, x3 and none, and images at x2 as a dataset and as plain folders."""
    folder = tmp_path_factory.mktemp("scene")
    save_network(folder / "x2" / "a.keras")
    save_network(folder / "x3" / "a.keras", scale=3)
    (folder / "empty").mkdir()
    (folder / "broken").mkdir()
    (folder / "broken" / "a.keras").write_bytes(b"PK")
    write_dataset(folder / "DIV2K_BIN")
    draw(folder / "pictures", [(9, 12)])
    images.write(folder / "tiny" / "t.png", np.zeros((4, 4, 3), "uint8"))
    return folder


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("-i absent", "absent: No such file or folder"),
        ("-i empty", "empty: There are no checkpoints"),
        ("-i broken", "None of the models can be measured:\n  broken/a.keras: "),
        ("-i x2 --scale 3", "x2/a.keras: is x2, not x3"),
        ("-i .", "only be ranked together at one scale"),
        ("-i x2 -d absent", "absent"),
        ("-i x2 --validation-images 901-902", "90[12]"),
        ("-i x2 --downgrade unknown", "unknown"),
        ("-i x2 --lr-dir empty --hr-dir empty", "empty"),
        ("-i x2 --lr-dir pictures", "given: lr_dir"),
        ("-i x2 --lr-dir pictures --hr-dir pictures --validation-images 1-2", "range of ids"),
        ("-i x3 --lr-dir pictures --hr-dir pictures", "x3"),
        ("-i x2 --protocol papr", "Unknown protocol 'papr'. Did you mean 'paper'"),
        ("-i x2 --protocol ,", "Unknown protocol|No protocol"),
        ("x2", "Name checkpoints with -i"),
        ("--models x2/a.keras", "takes NAME=FILE"),
        ("--models a=x2/a.keras --sha256 12", "NAME=URL#sha256=HEX"),
        ("--models a=x2/b.keras", "x2/b.keras: No such file, for the model 'a'"),
        ("--models a=x2/a.keras a=x3/a.keras", "names 'a' twice"),
        ("--models a=x2/a.keras b=x3/a.keras", "ranked together at one scale"),
        ("--models a=x2/a.keras -i x3", "ranked together at one scale"),
        ("-i x2 --benchmark empty", "empty: There are no images"),
        ("-i x2 --benchmark pictures --dataset DIV2K_BIN", "given: dataset and benchmark"),
        ("-i x2 --lr-dir pictures --hr-dir pictures --jpeg-quality 0", "--jpeg-quality=0: "),
        ("-i x2 --compare absent.json", "absent.json: Can't be read"),
        ("-i x2 --compare x2/a.keras", "isn't a bench.json"),
        ("-i x2 -o empty", "--outfile=empty is a folder"),
        ("-i x2 --csv empty", "--csv=empty is a folder"),
        ("-i x2 -o x2/a.keras/b.json", "Can't write in .*a.keras"),
        ("-i x2 --csv ./bench.json", "are the same file"),
        ("-i x2 --models x2/a.keras=x3/a.keras", "uses the name 'x2/a.keras', which is a file of --indir"),
        ("--models bicubic=x2/a.keras", "'bicubic' names the row to compare with"),
        ("-i x2 --downgrade bicubic --lr-dir pictures --hr-dir pictures", "downgrade chooses LR of a dataset"),
        ("-i x2 --downgrade unknown --benchmark pictures", "no LR for the downgrade 'unknown'"),
        (
            "-i x2 --protocol krasserm,ntire --benchmark tiny",
            "Image t: 4 x 4 .* protocol 'ntire'.* Choose another",
        ),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_1(bench, scene, arguments, message):
    run = bench(scene, *arguments.split())
    assert run.returncode == 1
    assert re.search(message, run.stderr), run.stderr
    assert run.stdout == ""
    assert not (scene / "bench.json").exists()
