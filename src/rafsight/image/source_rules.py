"""Rules that hold between a Nydus image and the layers it was made from; sections 7 and 8.1 of the format reference.

Tables only. A rule about a cause is told in place of the rules about the fields, wherever the cause is known for sure.
"""

from typing import Final

from rafsight.formats.judge import Rule, Weight

# differences of entries
MISSING: Final = Rule("source-missing", "is in the source and not in this image")
EXTRA: Final = Rule("source-extra", "is in this image and not in the source")
TYPE: Final = Rule("source-type", "is another kind of file in the source")
MODE: Final = Rule("source-mode", "has other permission bits in the source")
OWNER: Final = Rule("source-owner", "has another owner in the source")
SIZE: Final = Rule("source-size", "has another size in the source")
MTIME: Final = Rule("source-mtime", "has another time in the source")
XATTR: Final = Rule("source-xattr", "has other extended attributes in the source")
LINKS: Final = Rule("source-links", "is a hard link of other names in the source")
TARGET: Final = Rule("source-target", "points elsewhere in the source")
DEVICE: Final = Rule("source-device", "is another device in the source")
CONTENT: Final = Rule("source-content", "has other content in the source")

# causes
WHITEOUT: Final = Rule("source-whiteout", "was removed by a layer of the source and is still there")
UNREMOVED: Final = Rule("source-unremoved", "lies below something that a layer of the source removed")
MARKER: Final = Rule("source-whiteout-marker", "is a whiteout that was never applied")
LOST_LINK: Final = Rule("source-lost-link", "is a hard link whose first name a layer removed, and did not survive that")
IMPLIED_DIRECTORY: Final = Rule(
    "source-implied-directory",
    "has no entry of its own in a layer with entries below it",
    advice="convert again from archives that have entries for all directories",
)
MISPLACED: Final = Rule("source-misplaced", "is lost, misplaced or overwritten for want of a directory's entry")
IMPLIED_ATTRIBUTES: Final = Rule("source-implied-attributes", "lost its attributes to a layer that does not name it")
DIRECTORY_MTIME: Final = Rule(
    "source-directory-mtime", "has another time; no entry of the layer that changed it last says which", Weight.ODD
)
"""Unpackers leave there the time of their own run: no sound converter can do better, so that this is only odd."""
