"""What nydus-image said about the golden images, taken apart: numbers, names and chunks under our own keys."""

import json
import re
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "rafs"
NAMES = sorted(folder.name for folder in GOLDEN.iterdir() if (folder / "inspect").is_dir())

STAT_LABELS = {
    "Inode Number": "inode",
    "Name": "name",
    "Size": "size",
    "Parent": "parent",
    "Mode": "mode",
    "Permissions": "permissions",
    "Nlink": "nlink",
    "UID": "uid",
    "GID": "gid",
    "Mtime": "mtime",
    "MtimeNsec": "mtime_nsec",
    "Blocks": "blocks",
}
_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "0": b"\0", '"': b'"', "'": b"'", "\\": b"\\"}
_ESCAPE = re.compile(r"\\(?:x([0-9A-F]{2})|u\{([0-9a-f]+)\}|(.))")
_LISTED = re.compile(r'([-dl ])    (\d+) +(".*")')
_CHUNK = re.compile(
    r"        file offset: (\d+), chunk index: (\d+)\n"
    r"        compressed size: (\d+), decompressed size: (\d+)\n"
    r"        compressed offset: (\d+), decompressed offset: (\d+)\n"
    r"        blob id: (\S+)\n"
    r"        chunk id: ([0-9a-f]+)\n"
)
_CHUNK_KEYS = (
    "file_offset",
    "chunk_index",
    "compressed_size",
    "decompressed_size",
    "compressed_offset",
    "decompressed_offset",
    "blob_id",
    "chunk_id",
)
_USE = re.compile(
    r"\nFile: (.{32,}?) Parent Path: (.{32,}?)\n"
    r"Compressed Offset: (\d+), Compressed Size: (\d+)\n"
    r"Decompressed Offset: (\d+), Decompressed Size: (\d+)\n"
    r"Chunk ID: ([0-9a-f]+),\n"
    r"Blob ID: (\S+)\n\n"
)
_USE_KEYS = (
    "file",
    "parent_path",
    "compressed_offset",
    "compressed_size",
    "decompressed_offset",
    "decompressed_size",
    "chunk_id",
    "blob_id",
)


def json_of(image, request):
    """`stats`, `blobs` or `prefetch`."""
    return json.loads((GOLDEN / image / "inspect" / f"{request}.json").read_text())


def requests_of(image):
    """The text requests: (request, exit code, text without the closing `null`)."""
    for one in json.loads((GOLDEN / image / "inspect" / "text.json").read_text()):
        text = one["stdout"]
        if not one["rc"]:
            assert text.endswith("null"), one
        yield one["request"], one["rc"], text.removesuffix("null")


def unquoted(quoted):
    """The bytes that stand in debug quotes."""
    assert len(quoted) >= 2
    assert quoted[0] == quoted[-1] == '"'
    result, end = b"", 0
    inner = quoted[1:-1]
    for match in _ESCAPE.finditer(inner):
        octet, scalar, letter = match.groups()
        meant = bytes.fromhex(octet) if octet else chr(int(scalar, 16)).encode() if scalar else _ESCAPES[letter]
        result += inner[end : match.start()].encode() + meant
        end = match.end()
    return result + inner[end:].encode()


def listed(text):
    """`ls`: (sign, inode, name) of each line."""
    matches = [_LISTED.fullmatch(line) for line in text.splitlines()]
    assert all(matches), text
    return [(match[1], int(match[2]), unquoted(match[3])) for match in matches]


def stat(text):
    """`stat`: the fields, and `chunks` of a regular file."""
    head, has_chunks, tail = text.partition("  Chunk list:\n")
    found = {}
    for line in head.strip("\n").split("\n"):
        label, _, value = line.partition(":")
        found[STAT_LABELS[label]] = _value(label, value.strip())
    assert len(found) == len(STAT_LABELS)
    if has_chunks:
        found["chunks"] = [
            {key: _number(value) for key, value in zip(_CHUNK_KEYS, chunk, strict=True)}
            for chunk in _CHUNK.findall(tail)
        ]
        assert tail.count("->") == len(found["chunks"])
    return found


def checked_inode(text):
    """`icheck`: path and fields of each name; no fields for the root."""
    parts = re.split(r"^(/.*)\n", text, flags=re.MULTILINE)
    assert not parts[0].strip("\n")
    return [
        (path.encode(), stat(body) if body.strip("\n") else None)
        for path, body in zip(parts[1::2], parts[2::2], strict=True)
    ]


def uses(text):
    """`chunk`: the fields of each use."""
    found = [
        {key: _number(value.rstrip(" ")) for key, value in zip(_USE_KEYS, use, strict=True)}
        for use in _USE.findall(text)
    ]
    assert text.count("File: ") == len(found)
    return found


def prompt(image):
    """Prompt form of `stats`, `blobs` and `prefetch`: fields, fields of each blob, (inode, path) of each line."""
    said = json.loads((GOLDEN / image / "inspect" / "prompt.json").read_text())["stdout"]
    prefix, stats, *blobs, rest, last = re.split(r"Inspecting RAFS :> ", said)
    assert not prefix + last
    fields = [dict(_fields(block)) for block in "".join(blobs).split("\n\n") if block.strip()]
    total, *lines = rest.splitlines()
    paths = [re.fullmatch(r'Inode Number: *(\d+) \| Path: (".*") ', line).groups() for line in lines]
    assert total == f"Total Prefetching Files: {len(paths)}"
    return dict(_fields(stats)), fields, [(int(inode), unquoted(path)) for inode, path in paths]


def _fields(text):
    for line in text.splitlines():
        if line.strip():
            label, _, value = line.partition(":")
            yield label.strip(), value.strip()


def _value(label, value):
    if label == "Name":
        return unquoted(value)
    return int(value, 16) if label == "Mode" else value if label == "Permissions" else int(value)


def _number(value):
    return int(value) if value.isdecimal() and len(value) < 32 else value
