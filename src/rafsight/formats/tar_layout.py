"""The 512-byte tar header (POSIX.1-2024 pax, section "ustar Interchange Format"; GNU tar manual, "Basic Tar Format").

Where each field lies; no behaviour.
"""

from typing import Final

BLOCK: Final = 512
ZERO_BLOCK: Final = bytes(BLOCK)

# field                          bytes                 meaning
NAME: Final = slice(0, 100)  #                         path, NUL-padded
MODE: Final = slice(100, 108)  #                       permission bits, octal
UID: Final = slice(108, 116)  #                        octal or base 256
GID: Final = slice(116, 124)  #                        octal or base 256
SIZE: Final = slice(124, 136)  #                       [bytes] of content that follows, octal or base 256
MTIME: Final = slice(136, 148)  #                      [s] since 1970, octal or base 256
CHECKSUM: Final = slice(148, 156)  #                   sum of all bytes, this field counted as spaces
TYPE: Final = 156
LINK: Final = slice(157, 257)  #                       target of a link, NUL-padded
MAGIC: Final = slice(257, 265)  #                      magic and version
DEV_MAJOR: Final = slice(329, 337)
DEV_MINOR: Final = slice(337, 345)
PREFIX: Final = slice(345, 500)  #                     (ustar) path before the name, NUL-padded
STAR_PREFIX: Final = slice(345, 476)  #                (star) the same, shorter
STAR_TRAILER: Final = slice(508, 512)

USTAR_MAGIC: Final = b"ustar\x0000"
GNU_MAGIC: Final = b"ustar  \0"
STAR_MAGIC: Final = b"tar\0"

# Old GNU sparse files ("S"): pairs of offset and size, then more of them in whole blocks.
SPARSE_PAIR_SIZE: Final = 24
SPARSE_FIELD_SIZE: Final = 12
SPARSE_PAIRS: Final = slice(386, 482)
SPARSE_MORE: Final = 482
SPARSE_REAL_SIZE: Final = slice(483, 495)
SPARSE_BLOCK_PAIRS: Final = slice(0, 504)
SPARSE_BLOCK_MORE: Final = 504

# Types. Everything that is not here is skipped with its content.
FILES: Final = b"\x0007S"
OLD_FILE: Final = 0
SPARSE: Final = ord("S")
HARDLINK: Final = ord("1")
SYMLINK: Final = ord("2")
CHAR: Final = ord("3")
BLOCK_DEVICE: Final = ord("4")
DIRECTORY: Final = ord("5")
FIFO: Final = ord("6")
PAX: Final = ord("x")
PAX_GLOBAL: Final = ord("g")
GNU_LONG_NAME: Final = ord("L")
GNU_LONG_LINK: Final = ord("K")
