"""Every profile, from images to a larger image: trained for twenty steps, saved, loaded, ranked and used."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY
from tests.helpers.runs import done, numbers, run_of
from wdsr_tf.commands.flags import read_flags
from wdsr_tf.training.run import Run

ADVERSARIAL = ["bsrgan", "esrgan", "realesrgan", "srgan"]
PROFILES = sorted({path.name for path in (REPOSITORY / "profiles").iterdir()} - {*ADVERSARIAL})
SMALL = ["--batch-size=2", "--lr-patch-size=24", "--validation-steps=4", "--save-models-after-epoch=3"]
SMALL += ["--min-bytes=0"]  # patches of 24 pixels never have the 14 kB that two profiles ask for
BATCH_NORM = {"drrn-b1u9", "drrn-b1u25", "sr-resnet"}
HEAVY = {  # too wide for a CPU: a smaller network of the same kind
    "bsrgan": ["--num-filters=8", "--num-res-blocks=1", "--set=growth=4", "--discriminator-filters=4"],
    "esrgan": ["--num-filters=8", "--num-res-blocks=1", "--set=growth=4", "--discriminator-filters=4"],
    "realesrgan": ["--num-filters=8", "--num-res-blocks=1", "--set=growth=4", "--discriminator-filters=4"],
    "srgan": ["--num-filters=8", "--num-res-blocks=1", "--discriminator-filters=4"],
    "edsr": ["--num-filters=64", "--num-res-blocks=8"],
    "drrn-b1u25": ["--num-filters=32"],
    "drrn-b1u9": ["--num-filters=32"],
    "imdn": ["--num-filters=32", "--num-res-blocks=2"],
    "bsrnet": ["--num-filters=16", "--num-res-blocks=1", "--set=growth=8"],
    "realesrnet": ["--num-filters=16", "--num-res-blocks=1", "--set=growth=8"],
    "rcan": ["--num-filters=16", "--set=num_groups=2", "--num-res-blocks=2", "--set=reduction=4"],
    "rdn": ["--num-filters=16", "--num-res-blocks=3", "--set=num_layers=3", "--set=growth=16"],
    "rrdbnet": ["--num-filters=16", "--num-res-blocks=1", "--set=growth=8"],
    "rrdn": ["--num-filters=16", "--set=num_groups=1", "--num-res-blocks=2", "--set=growth=8"],
    "span": ["--num-filters=16"],
    "srvgg": ["--num-filters=16"],
    "vdsr": ["--num-filters=16"],
}
NEEDS = {
    "esrgan": ["--lr-patch-size=32"],  # its discriminator takes patches of 128 HR pixels
    "cunet": ["--lr-patch-size=64"],  # loses more than 24 pixels in training
    "upcunet": ["--lr-patch-size=44"],
    "espcn-7": ["--warmup-steps=500"],  # its loss grows without a warmup, as the profile says
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """The project's demo images as a dataset named DEMO, at every scale: all of them train and validate."""
    from wdsr_tf.commands.convert import COMMAND

    source = tmp_path_factory.mktemp("images")
    for split in ("train", "valid"):
        (source / split).mkdir()
        for path in sorted((REPOSITORY / "demo").glob("*.png")):
            (source / split / f"{split}-{path.name}").write_bytes(path.read_bytes())
    root = tmp_path_factory.mktemp("DEMO_BIN")
    argv = ["pairs", "-i", source, "-o", root, "--name=DEMO", "--scale=2,3,4", "--lr-patch-size=24"]
    assert COMMAND.main([str(word) for word in argv]) == 0
    return root


@pytest.fixture
def run(capsys):
    """`run(command, *words)` runs a command, which must succeed, and returns what it printed."""

    def succeed(command, *words):
        ended = done(command, words, capsys)
        assert ended.code == 0, f"{words}\n{ended.out}\n{ended.err}"
        return ended.out

    return succeed


@pytest.fixture
def train(run, dataset, tmp_path):
    """`train(profile, *more)` trains with the profile, made small enough for a CPU, and then with the flags `more`."""
    from wdsr_tf.commands.train import COMMAND

    def trained(profile, *more):
        smaller = [*SMALL, *more, *HEAVY.get(profile, []), *NEEDS.get(profile, [])]
        run(COMMAND, f"--profile={profile}", f"--dataset={dataset}", f"--outdir={tmp_path}", *smaller)
        return Run(run_of(tmp_path))

    return trained


def scale_of(profile):
    flags = read_flags(REPOSITORY / "profiles" / profile)
    return next((int(flag.partition("=")[2]) for flag in flags if flag.startswith("--scale=")), 2)


def noisy_pair(folder):
    """Flags that name a demo image with JPEG noise as LR, and without as HR."""
    for name in ("lr", "hr"):
        (folder / name).mkdir()
    with Image.open(REPOSITORY / "demo" / "harbour.png") as image:
        image.convert("RGB").save(folder / "lr" / "harbour.jpg", quality=50)
        image.save(folder / "hr" / "harbour.png")
    return [f"--lr-dir={folder / 'lr'}", f"--hr-dir={folder / 'hr'}"]


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_trains_and_its_checkpoint_is_ranked_and_upscales(profile, train, run, dataset, tmp_path):
    from wdsr_tf.commands import bench, upscale

    trained = train(profile, "--epochs=4", "--steps-per-epoch=5", "--precision=float32", "--warmup-steps=0")
    # On the same validation patches each time, because five random ones differ by more than is learned from five. After
    # so few steps, the moving means of batch norm are far from those of the data: there the training loss tells, of
    # fifteen steps beside five, because those are random patches.
    if profile in BATCH_NORM:
        assert np.mean([row["loss"] for row in trained.history[1:]]) < trained.history[0]["loss"]
    else:
        assert trained.history[-1]["val_loss"] < trained.history[0]["val_loss"]
    pairs = [f"--dataset={dataset}"] if scale_of(profile) > 1 else noisy_pair(tmp_path)
    ranked = run(bench.COMMAND, *pairs, f"--indir={trained.models}", f"--outfile={tmp_path / 'bench.json'}")
    assert ranked.splitlines()[-1].startswith("Best PSNR = ")
    harbour = REPOSITORY / "demo" / "harbour.png"
    run(upscale.COMMAND, "-i", harbour, "-o", tmp_path / "out", "-m", trained.models)
    with Image.open(tmp_path / "out" / "harbour-sr.png") as sr, Image.open(harbour) as lr:
        assert sr.size == tuple(scale_of(profile) * side for side in lr.size)


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_trains_in_half_precision_with_finite_losses(profile, train):
    # CPUs multiply float16 in software: small patches, one at a time. Starting costs far more than the steps.
    small = ["--batch-size=1", "--lr-patch-size=16", "--validation-steps=1", "--epochs=1", "--steps-per-epoch=20"]
    trained = train(profile, *small, "--precision=mixed_float16")
    assert np.isfinite([row["loss"] for row in trained.history]).all()


@pytest.fixture
def narrow_vgg(monkeypatch, tmp_path):
    """A file of torchvision's form with VGG-19's weights at random, four channels wide."""
    from wdsr_tf.importers.formats import pytorch_writer
    from wdsr_tf.losses import vgg

    random, width, arrays = np.random.default_rng(0), 4, {}
    shapes = tuple((3, 3, width if i else 3, width) for i in range(len(vgg.CONVOLUTIONS)))
    monkeypatch.setattr(vgg, "SHAPES", shapes)
    pools = [2, 4, 8, 12]  # convolutions before each pooling layer, which has a number too
    for i, shape in enumerate(shapes):
        name = f"features.{2 * i + sum(i >= pool for pool in pools)}"
        arrays[f"{name}.weight"] = random.normal(0, 0.3, shape).astype("float32").transpose(3, 2, 0, 1)
        arrays[f"{name}.bias"] = np.zeros(width, "float32")
    pytorch_writer.write(tmp_path / "vgg.pth", arrays)
    return tmp_path / "vgg.pth"


BRIEF = ["--batch-size=1", "--validation-steps=1", "--save-models-after-epoch=0", "--steps-per-epoch=10", "--epochs=2"]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("profile", ADVERSARIAL)
def test_an_adversarial_profile_trains_in_half_precision_with_finite_terms(profile, precision, train, narrow_vgg):
    assert_whole(train(profile, *BRIEF, f"--precision={precision}", f"--vgg-weights={narrow_vgg}"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "profile, precision", [*((profile, "float32") for profile in ADVERSARIAL), ("realesrgan", "mixed_float16")]
)
def test_an_adversarial_profile_trains_resumes_to_the_bit_and_exports(
    profile, precision, train, run, narrow_vgg, tmp_path, dataset
):
    from wdsr_tf.commands import export
    from wdsr_tf.commands.train import COMMAND

    whole = train(profile, *BRIEF, f"--precision={precision}", f"--vgg-weights={narrow_vgg}")
    assert_whole(whole)

    outdir = tmp_path / "stopped"
    words = [f"--dataset={dataset}", f"--outdir={outdir}"]
    run(COMMAND, f"--profile={whole.args}", *words, "--epochs=1")
    run(COMMAND, *words, "--resume", "--epochs=2")
    stopped = Run(run_of(outdir))
    ours, theirs = (archived(each.state) for each in (stopped, whole))
    assert ours.keys() == theirs.keys() and len([name for name in ours if name.startswith("discriminator/")]) > 10
    assert [name for name in ours if ours[name] != theirs[name]] == []
    np.testing.assert_equal(stopped.history, whole.history)

    assert not [name for name in archived(stopped.best) if name.startswith("discriminator/")]
    run(export.COMMAND, "-i", stopped.best, "-o", tmp_path / "exported", "--format=onnx")
    assert list((tmp_path / "exported").rglob("*.onnx"))


def assert_whole(trained):
    """The history of two epochs has every term, and all of them are finite."""
    assert len(trained.history) == 2
    for row in trained.history:
        assert {"pixel_loss", "perceptual_loss", "adversarial_loss", "discriminator_loss", "real_logit"} <= row.keys()
        assert all(np.isfinite(value) for value in row.values()), row


def archived(path):
    """The numbers in a checkpoint as bytes, by name; the names of other members as they are."""
    with zipfile.ZipFile(path) as archive:
        found = {name: archive.read(name) for name in archive.namelist() if name.endswith(".npy")}
    return found | {name: array.tobytes() for name, array in numbers(path, path.parent).items()}
