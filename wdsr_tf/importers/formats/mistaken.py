"""Names files that people take for weights."""

IMAGES = {
    b"\x89PNG\r\n\x1a\n": "a PNG",
    b"\xff\xd8\xff": "a JPEG",
    b"GIF8": "a GIF",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
}


def named(head: bytes) -> str:
    """Returns what a file is, as the rest of a sentence, or "" if its first 512 bytes don't tell."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<!--", b"<head", b"<error")):
        return "is a web page (HTML), not weights. Download the file itself, not the page about it."
    if text.startswith(b"version https://git-lfs.github.com/"):
        return "is a git-lfs pointer, not the weights that it points to. Run `git lfs pull` in its repository."
    is_webp = head.startswith(b"RIFF") and head[8:12] == b"WEBP"
    image = "a WebP" if is_webp else next((name for magic, name in IMAGES.items() if head.startswith(magic)), "")
    return f"is {image} image, not weights." if image else ""
