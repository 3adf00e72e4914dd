"""Plain images for conversions: tars of any order and kind, in layouts of one image or several; what came of them."""

import gzip
import hashlib
import json
import tarfile
from dataclasses import replace

import zstandard
from tests.access.source_images import member, tar_of

from rafsight.access.session import open_image
from rafsight.image.plan import FileRange
from rafsight.verbs.check.checking import check_reference

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
PLATFORM = {"os": "linux", "architecture": "amd64"}
CONFIG = {
    "created": "2024-05-06T07:08:09Z",
    "architecture": "amd64",
    "os": "linux",
    "config": {"Env": ["PATH=/bin"], "Labels": {"a": "ä"}, "Odd": {"kept": [1.50, None]}},
    "x.private": {"z": 1, "a": 2},
}


def sparse_member(path, size, *segments):
    """Write a member of GNU's old sparse form: segments are (offset, content), at most four."""
    header = bytearray(tarfile.TarInfo(path.decode()).tobuf(tarfile.GNU_FORMAT)[:512])
    stored = b"".join(content for _, content in segments)
    header[124:136] = b"%011o\0" % len(stored)
    header[156:157] = b"S"
    numbers = [number for offset, content in segments for number in (offset, len(content))]
    pairs = b"".join(b"%011o\0" % number for number in numbers)
    header[386 : 386 + len(pairs)] = pairs
    header[483:495] = b"%011o\0" % size
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + stored + bytes(-len(stored) % 512)


def tar_with(*members):
    """Write a tar of entries and of finished members."""
    parts = []
    for one in members:
        if isinstance(one, bytes):
            parts.append(one)
        else:
            parts += [member(one).tobuf(tarfile.PAX_FORMAT), one.content, bytes(-len(one.content) % 512)]
    return b"".join(parts) + bytes(1024)


STORED = {
    "gzip": ("+gzip", ".gzip", lambda tar: gzip.compress(tar, 1, mtime=0)),
    "zstd": ("+zstd", None, zstandard.ZstdCompressor(level=1).compress),
    "none": ("", "", lambda tar: tar),
}


def put(layout, content):
    digest = hashlib.sha256(content).hexdigest()
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def put_image(layout, *layers, compression="gzip", docker=False, config=None, platform=None):
    """Put an image into a layout; layers are lists of entries, or tars. Return its descriptor."""
    tars = [layer if isinstance(layer, bytes) else tar_of(layer) for layer in layers]
    oci_suffix, docker_suffix, compress = STORED[compression]
    kind = f"{DOCKER}.image.rootfs.diff.tar{docker_suffix}" if docker else f"{OCI}.layer.v1.tar{oci_suffix}"
    diff_ids = ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]
    told = {**(CONFIG if config is None else config), **(platform or {})}
    told["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
    told.setdefault("history", [{"created_by": f"step {row}"} for row in range(len(tars))])
    config_type = f"{DOCKER}.container.image.v1+json" if docker else f"{OCI}.config.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{DOCKER}.distribution.manifest.v2+json" if docker else f"{OCI}.manifest.v1+json",
        "config": {"mediaType": config_type} | put(layout, json.dumps(told, indent=1).encode()),
        "layers": [{"mediaType": kind} | put(layout, compress(tar)) for tar in tars],
    }
    described = {"mediaType": manifest["mediaType"]} | put(layout, json.dumps(manifest, indent=3).encode())
    return described | ({"platform": platform} if platform else {})


def tag(layout, descriptor, name="app"):
    """Make a descriptor the only thing that a layout has by name; return its reference."""
    named = {**descriptor, "annotations": {"org.opencontainers.image.ref.name": name}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return f"oci:{layout}:{name}"


def write_plain(layout, *layers, **more):
    """Write a layout of one plain image; return its reference."""
    layout.mkdir(parents=True, exist_ok=True)
    return tag(layout, put_image(layout, *layers, **more))


def write_index(layout, *descriptors, media_type=f"{OCI}.index.v1+json"):
    """Make images of a layout one index; return its reference."""
    index = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(descriptors)}
    return tag(layout, {"mediaType": media_type} | put(layout, json.dumps(index, indent=2).encode()))


def document(layout, digest):
    return json.loads(raw(layout, digest))


def raw(layout, digest):
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


def tags_of(layout):
    """What a layout has by name: digest by tag."""
    index = layout / "index.json"
    listed = json.loads(index.read_bytes())["manifests"] if index.exists() else []
    return {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in listed}


def files_of(layout):
    """All files of a folder by path, with their contents."""
    return {path.relative_to(layout): path.read_bytes() for path in layout.rglob("*") if path.is_file()}


def contents_of(image):
    """The content of each file by row, in one plan."""
    tree = image.tree
    files = [(row, int(tree.entries.size[row])) for row in range(len(tree)) if tree.is_file(row)]
    found = {}
    for part in image.read([FileRange(row=row, offset=0, size=size) for row, size in files]):
        assert part.error is None
        found[part.wanted.row] = bytes(part.content)
    return found


def describe(image):
    """Everything that a container could see, by path."""
    tree, entries = image.tree, image.tree.entries
    paths, found, contents = tree.paths(), {}, contents_of(image)
    for row, path in enumerate(paths):
        about = tree.attributes(row)
        is_device = about.kind in ("char", "block")
        found[path] = (
            replace(
                about,
                ino=0,
                size=0 if about.kind == "directory" else about.size,
                device=about.device if is_device else (0, 0),
            ),
            tree.target(row),
            sorted((one.name, one.value) for one in tree.xattrs(row)),
            paths[int(entries.link_row[row])],
            contents.get(row, b""),
        )
    return found


def said_of(reference, **options):
    with open_image(reference, keep=lambda path, size: True, **options) as image:
        return describe(image)


def assert_sound(reference, *, but=(), **more):
    """Check an image and its chunks: not even a warning, `but` of some rules."""
    report = check_reference(reference, chunks=True, **more)
    steps = [step for image in report.images for step in image.steps]
    faults = [(one.rule.code, one.path, one.detail) for step in steps for one in step.faults]
    assert [one for one in faults if one[0] not in but] == []
    assert [one for step in steps for one in step.unchecked] == []
    return report
