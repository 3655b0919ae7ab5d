import numpy as np
import pytest

from wdsr_tf import images
from wdsr_tf.data import div2k
from wdsr_tf.data.make_pairs import cached_hr, make_pairs, split_up
from wdsr_tf.errors import InputError
from wdsr_tf.images.resize import imresize

SIZES = {"a": (31, 26), "b": (24, 35), "c": (25, 25), "d": (40, 24)}


def draw(folder, sizes=SIZES):
    random = np.random.default_rng(0)
    for name, size in sizes.items():
        images.write(folder / f"{name}.png", random.integers(0, 256, (*size, 3), "uint8"))


@pytest.fixture
def pictures(tmp_path):
    """A folder of four pictures that twelve does not divide, named SET."""
    draw(tmp_path / "SET")
    return tmp_path / "SET"


def pairs_of(pictures, scales=(2, 3, 4), out="out", **how):
    return make_pairs(pictures, pictures.parent / out, list(scales), **{"lr_patch_size": 6, "jobs": 1} | how)


def held(pictures, split, scale=2, out="out"):
    return div2k.pairs(pictures.parent / out, split, scale)


def names(pairs):
    return [pair.name for pair in pairs]


@pytest.mark.parametrize("scales", [(2,), (3,), (2, 3, 4)])
def test_hr_is_cropped_to_what_every_scale_divides_and_lr_is_its_imresize(pictures, scales):
    pairs_of(pictures, scales)
    step = np.lcm.reduce(scales)
    for scale in scales:
        for split, count in (("train", 3), ("valid", 1)):
            pairs = held(pictures, split, scale)
            assert len(pairs) == count
            for pair in pairs:
                source, hr = images.read(pictures / f"{pair.name}.png"), np.load(pair.hr)
                height, width = (side // step * step for side in source.shape[:2])
                np.testing.assert_array_equal(hr, source[:height, :width])
                np.testing.assert_array_equal(np.load(pair.lr), imresize(hr, 1 / scale))


def test_the_layout_is_that_of_div2k(pictures):
    pairs_of(pictures, (2,), name="MYSET", valid="1")
    made = {path.parent.relative_to(pictures.parent / "out").as_posix() for path in pictures.parent.rglob("*.npy")}
    assert made == {f"MYSET_{s}_{kind}" for s in ("train", "valid") for kind in ("HR", "LR_bicubic/X2")}


def test_folders_train_and_valid_are_the_split(pictures):
    draw(pictures / "train" / "cats", {"1": (24, 24), "2": (24, 24)})
    draw(pictures / "valid", {"1": (24, 24)})
    pairs_of(pictures)
    assert names(held(pictures, "train")) == ["cats-1", "cats-2"]
    assert names(held(pictures, "valid")) == ["1"]


def test_equal_stems_in_subfolders_stay_apart(pictures):
    for folder in ("x", "y/z"):
        draw(pictures / folder, {"a": (24, 24)})
    pairs_of(pictures, valid="2")
    assert sorted(names(held(pictures, "train") + held(pictures, "valid"))) == ["a", "b", "c", "d", "x-a", "y-z-a"]


def test_names_that_would_be_one_are_refused(pictures):
    draw(pictures / "x", {"a": (24, 24)})
    draw(pictures, {"x-a": (24, 24)})
    for split in ("1", "5"):  # whether or not they come into the same split
        with pytest.raises(InputError, match="x-a"):
            pairs_of(pictures, valid=split)


@pytest.mark.parametrize("valid, count", [(None, 5), ("0.05", 5), (".5", 50), ("7", 7), ("0.001", 1), ("99", 99)])
def test_the_split_has_the_size_that_was_asked_for_and_is_the_same_in_any_order(valid, count):
    listing = {f"{i}.png": (None, str(i)) for i in range(100)}
    split = split_up(listing, valid)
    assert sum(part == "valid" for part, _ in split.values()) == count
    assert split_up(dict(reversed(listing.items())), valid) == split


@pytest.mark.parametrize("valid", ["0", "0.0", "1.0", "-1", "1e-1", "nan", "many", "4", "100"])
def test_a_split_that_cannot_be_is_refused(pictures, valid):
    with pytest.raises(InputError, match="--valid"):
        pairs_of(pictures, valid=valid)


def test_valid_beside_a_given_split_is_refused(pictures):
    draw(pictures / "train")
    draw(pictures / "valid")
    with pytest.raises(InputError, match="leave --valid out"):
        pairs_of(pictures, valid="1")


def test_one_of_train_and_valid_alone_is_refused(pictures):
    draw(pictures / "train")
    with pytest.raises(InputError, match="without the other"):
        pairs_of(pictures)


def test_pictures_too_small_for_a_patch_are_left_out_with_the_reason(pictures):
    draw(pictures, {"small": (40, 23)})  # 24 are needed for 6 at x4
    report = pairs_of(pictures)
    ((path, reason),) = report.left_out
    assert path.name == "small.png" and "is 40 x 23" in reason and "24 x 24" in reason
    assert len(held(pictures, "train") + held(pictures, "valid")) == 4
    assert pairs_of(pictures).kept == 4


def test_pictures_that_are_all_too_small_are_refused(pictures):
    with pytest.raises(InputError, match=r"(?s)none of 4.*need 192 x 192"):
        pairs_of(pictures, lr_patch_size=48)


def test_broken_pictures_are_reported_and_the_others_are_done(pictures):
    (pictures / "text.png").write_text("no picture")
    whole = (pictures / "a.png").read_bytes()
    (pictures / "cut.png").write_bytes(whole[: len(whole) // 2])
    report = pairs_of(pictures)
    assert report.done == 4 and [path.name for path, _ in report.failed] == ["cut.png", "text.png"]


def test_a_second_run_does_nothing(pictures):
    pairs_of(pictures)
    report = pairs_of(pictures)
    assert (report.done, report.kept, report.removed) == (0, 4, 0)


def test_a_pair_of_which_one_file_is_missing_is_made_again(pictures):
    pairs_of(pictures)
    next((pictures.parent / "out").rglob("ax3.npy")).unlink()
    assert pairs_of(pictures).done == 1
    held(pictures, "train", 3)


def test_further_scales_make_the_set_anew_with_one_hr_for_all(pictures):
    pairs_of(pictures, (2,))
    assert pairs_of(pictures, (2, 3)).done == 4
    for scale in (2, 3):
        assert len(held(pictures, "train", scale)) == 3


def test_fewer_scales_are_refused_because_hr_would_not_fit_the_others(pictures):
    pairs_of(pictures, (2, 3))
    with pytest.raises(InputError, match="give --scale 2,3,4"):
        pairs_of(pictures, (3, 4))


def test_a_picture_never_stays_in_both_splits(pictures):
    pairs_of(pictures, valid="1")
    for valid in ("3", "2"):
        pairs_of(pictures, valid=valid)
        assert len(held(pictures, "valid")) == int(valid)
        both = names(held(pictures, "train") + held(pictures, "valid"))
        assert sorted(both) == ["a", "b", "c", "d"]


def test_what_was_made_of_a_picture_that_is_gone_is_removed(pictures):
    pairs_of(pictures)
    (pictures / "a.png").unlink()
    assert pairs_of(pictures).removed == 1
    assert not list((pictures.parent / "out").rglob("a*.npy"))
    assert pairs_of(pictures).removed == 0


def test_a_set_made_from_another_folder_is_not_touched(pictures):
    pairs_of(pictures)
    other = pictures.parent / "other"
    draw(other, {name + "2": size for name, size in SIZES.items()})
    with pytest.raises(InputError, match="which is not in"):
        pairs_of(other, name="SET")
    with pytest.raises(InputError, match="holds SET already"):
        pairs_of(other)
    assert len(held(pictures, "train")) == 3


@pytest.mark.parametrize("name", ["a/b", "..", "/"])
def test_a_name_that_is_a_path_is_refused(pictures, name):
    with pytest.raises(InputError, match="name"):
        pairs_of(pictures, name=name)


def test_without_scales_hr_is_kept_whole_and_alone(pictures, tmp_path):
    root, report = cached_hr(pictures, tmp_path / "cache")
    assert (report.done, report.kept, report.left_out) == (4, 0, [])
    assert root.parent == tmp_path / "cache" and root.name.startswith("SET-")
    assert sorted(folder.name for folder in root.iterdir() if folder.is_dir()) == ["HR_train_HR", "HR_valid_HR"]
    for path in [*div2k.hr_pictures(root, "train"), *div2k.hr_pictures(root, "valid")]:
        np.testing.assert_array_equal(np.load(path), images.read(pictures / f"{path.stem}.png"))


def test_what_is_cached_is_not_decoded_again_and_what_is_gone_is_removed(pictures, tmp_path):
    cached_hr(pictures, tmp_path / "cache")
    (pictures / "a.png").unlink()
    _, report = cached_hr(pictures, tmp_path / "cache")
    assert (report.done, report.kept, report.removed) == (0, 3, 1)


def test_folders_of_one_name_have_caches_of_their_own(pictures, tmp_path):
    draw(tmp_path / "elsewhere" / "SET", {"a": (20, 20)} | {"e": (30, 30)})
    roots = {cached_hr(folder, tmp_path / "cache")[0] for folder in (pictures, tmp_path / "elsewhere" / "SET")}
    assert len(roots) == 2
