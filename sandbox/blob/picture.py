"""The first container's blobs: a small PNG made in code, so that there is something to look at behind a SAS.

https://www.w3.org/TR/png/#5DataRep
"""

import functools
import struct
import zlib

NAME = "hello.png"
SIZE = 96  # pixels, both ways


def content() -> dict[str, tuple[bytes, str]]:
    """Return data and content type of the blobs by name."""
    return {NAME: (png(), "image/png"), "hello.txt": (b"Hello from the sandbox.\n", "text/plain")}


@functools.cache
def png() -> bytes:
    """Return a disc on a colour gradient."""
    rows = b"".join(b"\0" + b"".join(_pixel(x, y) for x in range(SIZE)) for y in range(SIZE))
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 2, 0, 0, 0)  # 8 bits per channel, RGB
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _pixel(x: int, y: int) -> bytes:
    centre = SIZE // 2
    if (x - centre) ** 2 + (y - centre) ** 2 < (SIZE // 3) ** 2:
        return b"\xff\xff\xff"
    return bytes((40 + x, 90 + y, 220 - x))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
