"""CRC-32C (Castagnoli), which guards TensorFlow's checkpoints; Python's own CRC is of another polynomial."""

import numpy as np

POLYNOMIAL = 0x82F63B78  # the lowest bit is the highest power


def crc32c(data):
    """The CRC of bytes, some 100 MB a second: they are cut into rows, and all rows go forward by a byte at once."""
    if len(data) < 4:
        return _short(data)
    rows = 1 << (len(data).bit_length() // 2)
    columns = -(-len(data) // rows)
    # Zeros in front of the data leave a register of zero as it is, and 32 rows of one bit and then zeros only say what
    # becomes of a register over that many bytes.
    table = np.zeros((rows + 32, columns), "u1")
    filled = table[:rows].reshape(-1)[rows * columns - len(data) :]
    filled[:] = np.frombuffer(data, "u1")
    filled[:4] ^= 0xFF  # which is a register of ones at the beginning
    register = np.concatenate([np.zeros(rows, "u4"), ONE_BITS])
    for column in np.ascontiguousarray(table.T):
        register = TABLE[(register ^ column) & 0xFF] ^ (register >> 8)
    register, over = register[:rows], register[rows:]
    while len(register) > 1:
        register = _carried(register[0::2], over) ^ register[1::2]
        over = _carried(over, over)
    return int(register[0]) ^ 0xFFFFFFFF


def masked(crc):
    """The CRC as TensorFlow stores it."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _short(data):
    register = 0xFFFFFFFF
    for byte in data:
        register = int(TABLE[(register ^ byte) & 0xFF]) ^ (register >> 8)
    return register ^ 0xFFFFFFFF


def _carried(registers, over):
    """Each register after as many bytes of zero as turned the registers of one bit into `over`."""
    bits = registers[:, None] >> np.arange(32, dtype="u4") & 1
    return np.bitwise_xor.reduce(bits * over, axis=1)


def _table():
    register = np.arange(256, dtype="u4")
    for _ in range(8):
        register = register >> 1 ^ (register & 1) * np.uint32(POLYNOMIAL)
    return register


TABLE = _table()
ONE_BITS = np.uint32(1) << np.arange(32, dtype="u4")
