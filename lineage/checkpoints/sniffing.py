"""What the first bytes of a file, the names in an archive, or files beside it say of its format."""

import struct
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from lineage.checkpoints.archives import checked_members
from lineage.checkpoints.files import SafeFile, head_of_file

PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")


class Content:
    """A file, of which nothing but its first bytes or its directory is looked at."""

    def __init__(self, file: SafeFile):
        self.file = file
        self.head = head_of_file(file)

    @cached_property
    def tail(self) -> bytes:
        """The last bytes."""
        with self.file.real.open("rb") as stream:
            stream.seek(max(0, self.file.size - 64))
            return stream.read()

    @property
    def text(self) -> bytes:
        """The first words, in lower case."""
        return self.head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()

    @property
    def is_zip(self) -> bool:
        """Whether it begins like a zip archive."""
        return self.head.startswith((b"PK\x03\x04", b"PK\x05\x06"))

    @property
    def is_packed(self) -> bool:
        """Whether it is an archive of another kind."""
        return self.head.startswith(PACKED) or self.head[257:262] == b"ustar"

    @cached_property
    def members(self) -> list[str]:
        """The names in a zip archive; raises a UserError for a broken or hostile archive."""
        return [member.filename for member in checked_members(self.file)] if self.is_zip else []


Test = Callable[[Content], bool]


def begins(*signatures: bytes) -> Test:
    """Whether a file begins with one of the signatures."""
    return lambda content: content.head.startswith(signatures)


def archive_of(ending: str) -> Test:
    """Whether a file is an archive with a member of such a name."""
    return lambda content: content.is_zip and any(name.endswith(ending) for name in content.members)


def is_safetensors(content: Content) -> bool:
    """A length, and JSON; also where the length is wrong."""
    head = content.head
    if len(head) < 9 or content.is_zip:
        return False
    if struct.unpack("<Q", head[:8])[0] <= content.file.size:
        return head[8:9] == b"{"
    return not content.text.startswith(b"{") and not is_old_pickle(content) and head[8:10] == b'{"'


def is_index(content: Content) -> bool:
    """JSON that says in which file each weight is, near its beginning."""
    return content.text.startswith(b"{") and b'"weight_map"' in head_of_file(content.file, 2**16)


def is_orbax(content: Content) -> bool:
    """What a folder of Orbax has beside its arrays: JSON of their tree, or the manifest of their store."""
    return content.head.startswith(b"\x0c\xdb\x3a\x2a") or (
        content.text.startswith(b"{") and b'"tree_metadata"' in content.head
    )


def is_old_pickle(content: Content) -> bool:
    """A pickle of protocol 2 to 5."""
    return content.head[:1] == b"\x80" and len(content.head) > 1 and 2 <= content.head[1] <= 5


def is_protobuf(content: Content) -> bool:
    """A message whose first field is a small number, as a version."""
    return content.head[:1] == b"\x08" and len(content.head) > 2


def variables_beside(path: Path) -> Path | None:
    """The table of variables that a SavedModel of TensorFlow has beside its graph."""
    table = path.with_name("variables") / "variables.index"
    return table if table.is_file() else None
