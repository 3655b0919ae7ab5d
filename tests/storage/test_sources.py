from pathlib import PurePosixPath

from wdsr_tf.storage.sources import Source, check_names, closed_groups


def source(name, label=None):
    return Source(name, label or name, None, None, None)


def grouped(*names):
    return [[each.name for each in group] for group in closed_groups(map(source, names))]


def test_results_can_get_one_name_only_within_a_group():
    assert grouped("b.png", "a.jpg", "sub/a.png", "a.png") == [["a.jpg", "a.png"], ["b.png"], ["sub/a.png"]]
    assert grouped("A.png", "a.jpg") == [["A.png", "a.jpg"]]
    assert grouped("cat.png", "cat.jpg", "cat-jpg.png", "cat-gif.png") == [
        ["cat-gif.png"],
        ["cat-jpg.png", "cat.jpg", "cat.png"],
    ]
    assert grouped("cat.png", "cat.jpg", "cat-jpg-2.png") == [["cat-jpg-2.png", "cat.jpg", "cat.png"]]
    names = [f"{number:03}.png" for number in range(300)]
    assert grouped(*reversed(names)) == [[name] for name in sorted(names, key=PurePosixPath)]


def test_two_sources_of_one_name_are_not_both_upscaled():
    first, second = source("host/a.png", "https://host/a.png?1"), source("host/a.png", "https://host/a.png?2")
    kept, failures = check_names([first, second])
    assert kept == [first]
    assert failures[0][0] == second.label and "has the same name in the results" in str(failures[0][1])
