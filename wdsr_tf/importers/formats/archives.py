"""Zip archives that may be hostile: bounded directories, one member per name, bounded reads."""

import contextlib
import io
import zipfile

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import limits

MAX_DIRECTORY = 8 * 2**20  # zipfile takes some ten times as much memory for it
BLOCK = 2**20
ENCRYPTED = 0x1


def first_member(head):
    """The name of the first member by the first bytes of an archive; empty where they are of no archive."""
    if not head.startswith(b"PK\x03\x04"):
        return ""
    return head[30 : 30 + int.from_bytes(head[26:28], "little")].decode("utf-8", "replace")


@contextlib.contextmanager
def opened(path):
    """Yields the archive and its members by name; InputError where two members share a name, or where it is damaged."""
    try:
        with _Guarded(path) as file, zipfile.ZipFile(file) as archive:
            members = {info.filename: info for info in archive.infolist()}
            if len(members) < len(archive.infolist()):
                raise InputError("the archive holds two members of one name, of which only one can be meant")
            yield archive, members
    except zipfile.BadZipFile as error:
        raise InputError(f"the archive is damaged or cut off ({error})") from error


def read(archive, member, size, methods=(zipfile.ZIP_STORED,)):
    """The bytes of a member, which must not be more than `size`; its checksum is verified."""
    if member.flag_bits & ENCRYPTED or member.compress_type not in methods:
        raise InputError(f"member {limits.shown(member.filename)} is encrypted or compressed in an unusual way")
    if member.file_size > size:
        raise InputError(f"member {limits.shown(member.filename)} has {member.file_size} bytes, more than {size}")
    data = bytearray()
    with archive.open(member) as stream:
        while block := stream.read(BLOCK):
            data += block
    if len(data) != member.file_size:
        raise InputError(f"member {limits.shown(member.filename)} is shorter than the directory says")
    return data


class _Guarded(io.FileIO):
    """A file that refuses to be read in one piece larger than an archive's directory may be."""

    def read(self, size=-1):
        if size > MAX_DIRECTORY:
            raise InputError(f"the archive's directory is larger than {MAX_DIRECTORY >> 20} MiB")
        return super().read(size)
