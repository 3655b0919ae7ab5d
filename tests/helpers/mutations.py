"""Damage for files that fuzz tests read."""

import json
import os

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)

HOSTILE = [
    *(0, -1, 2, 3, 7, 4097, 10**9, 10**30, 1.5, 1e300, None, True, False, "", "x", "x" * 9999, "\x1b[2J", "__class__"),
    *([], [1] * 9999, {}, {"a": 1}, {"class_name": "Lambda", "module": "keras.layers", "config": {"function": "x"}}),
]
NOT_NUMBERS = [float("nan"), float("inf"), float("-inf"), 10**400]
NAMES = ["..", "/", "a\0b", "\ud800", "../mine/diary.npy", "../../mine/diary.txt", "link/diary.npy", "x" * 300, "a\nb"]


def altered(rng, text, hostile=HOSTILE):
    """Returns the JSON `text` with a value, or a key, somewhere in it replaced."""
    whole = place = json.loads(text)
    while True:
        key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if not isinstance(place[key], dict | list) or not place[key] or rng.random() < 0.3:
            if isinstance(place, dict) and rng.random() < 0.2:
                place[rng.choice([name for name in hostile if isinstance(name, str)])] = place.pop(key)
            else:
                place[key] = rng.choice(hostile)
            return json.dumps(whole)
        place = place[key]


def rearranged(rng, data):
    """Returns lines with one of them doubled, lost, moved, cut, nested deep, or changed: as JSON, or by a number."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    match rng.randrange(7):
        case 0:
            lines.insert(rng.randrange(len(lines)), lines[at])
        case 1:
            del lines[at]
        case 2:
            rng.shuffle(lines)
        case 3:
            lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
        case 4:
            lines[at] = rng.choice((b"[", b'{"a":', b"(", b"-")) * 10**5
        case _:
            try:
                lines[at] = altered(rng, lines[at], HOSTILE + NOT_NUMBERS + NAMES).encode()
            except (ValueError, IndexError, TypeError):
                name, equals, _ = lines[at].partition(b"=")
                value = rng.choice(HOSTILE + NOT_NUMBERS + NAMES)
                lines[at] = name + (equals or b",") + str(value).encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def replaced(rng, path, mine):
    """Puts something else at `path`: a link out of the folder, a pipe, a folder, nothing."""
    path.unlink()
    match rng.randrange(6):
        case 0:
            path.symlink_to(mine / "diary.txt")
        case 1:
            path.symlink_to(mine / "absent.txt")
        case 2:
            path.symlink_to("/dev/zero")
        case 3:
            os.mkfifo(path)
        case 4:
            path.mkdir()


def broken(rng, data):
    """Returns the bytes with some flipped, replaced by extreme numbers, copied, removed, or cut off."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at : at + 1] = bytes([rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))])
            case 2:
                size = rng.choice((1, 2, 4, 8))
                number = rng.choice(NUMBERS) & (1 << 8 * size) - 1
                data[at : at + size] = number.to_bytes(size, rng.choice(("little", "big")))
            case 3:
                there = rng.randrange(len(data) + 1)
                data[at : at + 16] = data[there : there + 16]
            case 4:
                del data[at : at + rng.choice((1, 4, 32))]
            case 5 if rng.random() < 0.3:
                del data[at:]
    return bytes(data)
