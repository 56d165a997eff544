"""Zip archives written byte by byte, for what no honest tool would write."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

UTF8 = 0x800


@dataclass
class Raw:
    """One member; whatever is None is worked out honestly. `local_*` lie in the local header only."""

    name: bytes
    data: bytes = b"x"
    deflate: bool = False
    flags: int = UTF8
    method: int | None = None
    attributes: int | None = None
    crc: int | None = None
    size: int | None = None
    compressed: bytes | None = None
    extra: bytes = b""
    local_name: bytes | None = None
    local_flags: int | None = None
    offset: int | None = None
    stored_size: int | None = None

    def payload(self) -> bytes:
        if self.compressed is not None:
            return self.compressed
        return raw_deflate(self.data) if self.deflate else self.data


@dataclass
class Archive:
    """`prefix` stands before the first member, `entries` is the count that the end record claims."""

    members: list[Raw] = field(default_factory=list)
    prefix: bytes = b""
    entries: int | None = None

    def to_bytes(self) -> bytes:
        body, directory = self.prefix, b""
        for member in self.members:
            payload = member.payload()
            local = local_header(member, len(payload))
            directory += directory_entry(member, len(payload), len(body))
            body += local + payload
        return body + directory + end_record(self.entries or len(self.members), len(directory), len(body))


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return engine.compress(data) + engine.flush()


def _common(member: Raw, payload_bytes: int) -> tuple[int, int, int, int]:
    method = member.method if member.method is not None else (8 if member.deflate or member.compressed is not None else 0)
    crc = zlib.crc32(member.data) if member.crc is None else member.crc
    size = len(member.data) if member.size is None else member.size
    return method, crc, payload_bytes if member.stored_size is None else member.stored_size, size


def local_header(member: Raw, payload_bytes: int) -> bytes:
    method, crc, compressed, size = _common(member, payload_bytes)
    name = member.name if member.local_name is None else member.local_name
    flags = member.flags if member.local_flags is None else member.local_flags
    fixed = struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 0x21, crc, compressed, size, len(name), 0)
    return fixed + name


def directory_entry(member: Raw, payload_bytes: int, offset: int) -> bytes:
    method, crc, compressed, size = _common(member, payload_bytes)
    honest = 0o40755 << 16 if member.name.endswith(b"/") else 0o100644 << 16
    attributes = honest if member.attributes is None else member.attributes
    fixed = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 0x31E, 20, member.flags, method, 0, 0x21, crc, compressed, size,
        len(member.name), len(member.extra), 0, 0, 0, attributes, offset if member.offset is None else member.offset,
    )  # fmt: skip
    return fixed + member.name + member.extra


def end_record(entries: int, size: int, offset: int) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, entries & 0xFFFF, entries & 0xFFFF, size, offset, 0)


def overlapping_bomb(count: int, kernel_bytes: int) -> bytes:
    """Fifield's construction: each member is a stored block that quotes the next local header, all end in one kernel.

    https://www.bamsoftware.com/hacks/zipbomb/
    """
    kernel = raw_deflate(bytes(kernel_bytes))
    body, crc_data, entries = kernel, bytes(kernel_bytes), []
    quoted = b""
    for index in reversed(range(count)):
        name = f"{index:05}".encode()
        if quoted:
            # A non-final stored block whose content is the next member's local header.
            body = struct.pack("<BHH", 0, len(quoted), len(quoted) ^ 0xFFFF) + body
            crc_data = quoted + crc_data
        member = Raw(name, crc_data, compressed=body)
        quoted = local_header(member, len(body))
        entries.append((member, len(body)))
        body = quoted + body
    length = len(body)
    directory = b"".join(
        directory_entry(member, size, length - size - len(local_header(member, size))) for member, size in reversed(entries)
    )
    return body + directory + end_record(count, len(directory), length)
