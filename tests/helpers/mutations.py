"""Damage for files that fuzz tests read."""

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


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
