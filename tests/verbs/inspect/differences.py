"""Where ours says other things than nydus-image, on purpose: the rows of `docs/inspect-and-the-peer.md`, with their proof.

A row is proved by recorded answers (`cases`: every one of them, and no other, differs in this way) or by a test.
"""

from collections import Counter
from dataclasses import dataclass

from tests.verbs.inspect.comparison import ABSENT
from tests.verbs.inspect.recorded import NAMES

PLACEHOLDER = "x" * 64
WORDS = "a placeholder: the bootstrap lies in the blob"

BY_NUMBER = [  # images whose inode numbers are consecutive, from 1
    "chunk-dict-v5",
    "merge-oci-v5",
    "parent-ovl-v5",
    "tar-rafs-v5",
    "v5-aligned",
    "v5-blobpf",
    "v5-fsroot",
    "v5-inline",
    "v5-lz4-sha256-fs",
    "v5-nodata",
    "v5-none",
    "v5-zstd",
]
BY_PLACE = [name for name in NAMES if name not in BY_NUMBER]
INLINED = ["v5-inline", "v6-inline", "v6-toc-inline", "v6-enc-batch-inline"]
PREFETCHED = {0: "/f4097", 2: "/sl-short", 3: "/big", 4: "/ünïcode/文件.txt"}
KEYS = {  # what stands where a digest and a size would: the key of an encrypted blob, and half of its IV
    "v6-enc": ("48af9af2db53ec2838a77b619b47618de5178f20c04fda050ee505fa538060a8", "7145007172945409741"),
    "v6-enc-batch-inline": ("23f1b6b225d4bf05d08ff0f1623b3031397f01f97d0a276996793837d61ea2a1", "6798370001126894721"),
}


@dataclass(frozen=True)
class Case:
    """One recorded answer that differs."""

    image: str
    request: str
    what: str
    theirs: object
    ours: object

    def __hash__(self):
        return hash((self.image, self.request, self.what))


@dataclass(frozen=True)
class Difference:
    """One row of the table."""

    request: str
    theirs: str
    ours: str
    why: str
    cases: tuple[Case, ...] = ()
    test: str = ""
    """`test_metadata_*.py::test_*`, where nothing is recorded."""

    @property
    def row(self):
        return (self.request, self.theirs, self.ours, self.why)


def cases_of(image, *requests):
    """The expected differences of some requests of an image, each with its number."""
    return Counter(
        case for row in DIFFERENCES for case in row.cases if case.image == image and case.request in requests
    )


DIFFERENCES = (
    Difference(
        request="`prefetch`",
        theirs="RAFS v5: every path ends with `/`; RAFS v6: those of directories do",
        ours="those of directories do, in both versions",
        why="A slash at the end says that a path is a directory, and most of these are files.",
        cases=tuple(
            Case("v5-lz4-sha256-fs", "prefetch", f"{index} path", [path + "/"], [path])
            for index, path in PREFETCHED.items()
        ),
    ),
    Difference(
        request="`prefetch`",
        theirs="the paths of a file with hard links are one text, with blanks between them",
        ours="a list of all its paths",
        why="Names may have blanks in them.",
        test="test_metadata_prefetch.py::test_all_paths_of_a_hard_link_are_listed",
    ),
    Difference(
        request="`stat`",
        theirs="of a hard link, the name of the first link",
        ours="the name that was asked for",
        why="The question was about that name; `icheck` tells the others.",
        cases=tuple(
            Case(image, "stat empty2", "name", b"empty", b"empty2")
            for image in ("v5-nodata", "v6-nodata")
            for _ in range(2)  # it was asked twice
        ),
    ),
    Difference(
        request="`stat`",
        theirs="nothing, and exit 0, for a path that does not exist",
        ours="the error `no-such-path`",
        why="Silence looks like success.",
        test="test_metadata_entries.py::test_what_does_not_exist_is_an_error",
    ),
    Difference(
        request="`stat .`",
        theirs="RAFS v5: an error at the root",
        ours="the root, as its own parent",
        why="The root is an inode as any other.",
        test="test_metadata_entries.py::test_the_root_is_its_own_parent",
    ),
    Difference(
        request="`icheck`",
        theirs="of the root, its path alone",
        ours="its attributes, too",
        why="The root is an inode as any other.",
        cases=(
            *(Case(image, "icheck 1", "/", ABSENT, "attributes") for image in BY_NUMBER),
            *(Case(image, "icheck 128", "/", ABSENT, "attributes") for image in BY_PLACE),
        ),
    ),
    Difference(
        request="`icheck`",
        theirs="RAFS v6: nothing, and exit 0, for a number that no inode has",
        ours="the error `no-such-inode`",
        why="Silence looks like success. In RAFS v5 it is an error there, too.",
        cases=tuple(
            Case(image, request, "answer", ABSENT, "no-such-inode")
            for image in BY_PLACE
            for request in ("icheck 1", "icheck 2")
        ),
    ),
    Difference(
        request="`icheck`",
        theirs="RAFS v5: under every path of a hard link the same name",
        ours="each path with its own name and parent",
        why="The name under a path is the last part of it.",
        test="test_metadata_entries.py::test_each_path_of_an_inode_has_its_own_name_and_parent",
    ),
    Difference(
        request="`chunk`",
        theirs="chunks of all blobs with that offset; there is no way to name a blob",
        ours="the same; with a blob's id or index, of that blob alone",
        why="An offset is a place in one blob.",
        test="test_metadata_chunks.py::test_one_blob_alone",
    ),
    Difference(
        request="`blobs` (text)",
        theirs="the key of an encrypted blob as `RAFS Blob Digest`, half of its IV as `RAFS Blob Size`",
        ours="neither: such a blob has no such digest",
        why="Keys belong into no terminal and no log.",
        cases=tuple(
            Case(image, "blobs (text)", what, value, "none" if "Digest" in what else "0")
            for image, values in KEYS.items()
            for what, value in zip(("0 RAFS Blob Digest", "0 RAFS Blob Size"), values, strict=True)
        ),
    ),
    Difference(
        request="`blobs` (text)",
        theirs="`Mapped Block Address` 0 where the id is not the 64 characters of the device slot",
        ours="the address as it is stored",
        why="The address is there, whatever the id.",
        cases=tuple(
            Case(image, "blobs (text)", "0 Mapped Block Address", "0", "128")
            for image in ("v6-blobid", "v6-inline", "v6-toc-inline", "v6-enc-batch-inline")
        ),
    ),
    Difference(
        request="`blobs` (text)",
        theirs="`Raw Blob ID` of a bootstrap that lies in its blob: 64 times `x`",
        ours="that the table has a placeholder",
        why="The placeholder is no id.",
        cases=tuple(Case(image, "blobs (text)", "0 Raw Blob ID", PLACEHOLDER, WORDS) for image in INLINED),
    ),
    Difference(
        request="all that show blob ids",
        theirs="where the bootstrap lies in its blob, the name of the bootstrap's file",
        ours="the same for a bootstrap alone; the blob's own id for an image or a blob",
        why="The bootstrap cannot hold the digest of the blob around it: only who has the blob, or a manifest, knows it.",
        test="test_metadata_head.py::test_a_blob_with_its_bootstrap_inside_goes_by_its_own_name",
    ),
)
