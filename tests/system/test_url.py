import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.system.url import is_remote, is_safe, is_web, web_address


@pytest.mark.parametrize("name", ["a.png", "sub/a b.png", "käthe/#%41+?.png", "...", ".wdsr-tf/journal"])
def test_odd_names_that_stay_in_the_folder_are_safe(name):
    assert is_safe(name)


@pytest.mark.parametrize(
    "name", ["../a", "a/../../b", "/a", "a//b", "a/", "./a", "a\nb", "a\0b", "a\x1b[2J", "a\\b", "x" * 256, "\u202ea"]
)
def test_names_that_lead_out_of_a_folder_or_hide_something_are_not(name):
    assert not is_safe(name)


def test_urls_are_told_from_paths():
    assert is_remote("s3://bucket/in") and is_remote("HTTPS://host/a.png")
    assert not is_remote("in/a.png") and not is_remote("C://a.png") and not is_remote(None)
    assert is_web("https://host/a.png") and not is_web("gcs://bucket")
    with pytest.raises(InputError, match="unknown kind of URL"):
        is_web("ftp://host/a.png")


def test_the_address_of_a_page_gives_a_path_below_its_host():
    assert web_address("http://host:80/a%20b/ä.png?x=1#y") == (
        "http://host:80/a%20b/%C3%A4.png?x=1",
        "host_80/a b/ä.png",
    )
    for url in ("https://host", "https://host/", "https://user@host/a.png", "https://host/%2e%2e/a", "https://[/a"):
        with pytest.raises(InputError, match="isn't the URL of a file"):
            web_address(url)
