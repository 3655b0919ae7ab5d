"""Safe reading of zip archives: bounded directory, unique names, bounded members. Imports the standard library only."""

import contextlib
import copy
import io
import shutil
import zipfile

from wdsr_tf.errors import InputError

MAX_DIRECTORY = 8 * 2**20  # bytes; zipfile needs about ten times as much memory to parse it
BLOCK = 2**20
ENCRYPTED = 0x1


def first_member(head: bytes) -> str:
    """Returns the name of an archive's first member from its first bytes, or "" if they aren't an archive's."""
    if not head.startswith(b"PK\x03\x04"):
        return ""
    return head[30 : 30 + int.from_bytes(head[26:28], "little")].decode("utf-8", "replace")


@contextlib.contextmanager
def opened(path):
    """Yields the archive and its members by name; raises InputError if it's damaged or repeats a name."""
    try:
        with _Guarded(path) as file, zipfile.ZipFile(file) as archive:
            members = {info.filename: info for info in archive.infolist()}
            if len(members) < len(archive.infolist()):
                raise InputError("the archive has two members with the same name")
            yield archive, members
    except zipfile.BadZipFile as error:
        if not zipfile.is_zipfile(path):
            raise InputError("the archive is truncated: its end is missing. Download the file again") from error
        raise InputError(f"the archive is damaged ({error})") from error


def read(archive, member, size: int, methods=(zipfile.ZIP_STORED,)) -> bytearray:
    """Returns the bytes of a member, at most `size`, and verifies its checksum."""
    if member.flag_bits & ENCRYPTED or member.compress_type not in methods:
        raise InputError(f"member {_shown(member)} is encrypted or uses an unexpected compression")
    if member.file_size > size:
        raise InputError(f"member {_shown(member)} has {member.file_size} bytes, more than {size}")
    data = bytearray()
    with archive.open(member) as stream:
        while block := stream.read(BLOCK):
            data += block
    if len(data) != member.file_size:
        raise InputError(f"member {_shown(member)} is shorter than the directory says")
    return data


def copy_member(archive, member, target):
    """Copies a member, of whatever size, from `archive` to the archive `target`."""
    with archive.open(member) as source, target.open(copy.copy(member), "w") as file:  # which changes the record
        shutil.copyfileobj(source, file, BLOCK)


def _shown(member):
    return repr(member.filename[:100])


class _Guarded(io.FileIO):
    """A file that refuses to be read in one piece larger than an archive's directory may be."""

    def read(self, size=-1):
        if size > MAX_DIRECTORY:
            raise InputError(f"the archive's directory is larger than {MAX_DIRECTORY >> 20} MiB")
        return super().read(size)
