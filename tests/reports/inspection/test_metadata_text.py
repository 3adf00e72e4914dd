"""The text of answers about metadata: all facts of nydus-image's text, and all of our own JSON."""

import base64
import re
from collections import Counter
from stat import filemode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.verbs.inspect import recorded
from tests.verbs.inspect.comparison import as_json, opened
from tests.verbs.inspect.differences import KEYS, PLACEHOLDER, Case, cases_of

from rafsight.reports.inspection import metadata as answers
from rafsight.reports.inspection.fact_lines import shown, shown_path
from rafsight.reports.inspection.metadata_render import RENDERERS
from rafsight.reports.inspection.renderer import Sheet
from rafsight.reports.paint import Painter
from rafsight.verbs.inspect.metadata import (
    check_inode,
    describe_entry,
    find_chunks,
    list_blobs,
    list_directory,
    list_found,
    list_prefetch,
    read_stats,
    read_superblock,
)

PAINTER = Painter(colour=False, unicode=True)
PLAIN = Painter(colour=False, unicode=False)
ZEROS = "0" * 64
BLOB_LABELS = {
    "Blob Index": "Blob index",
    "Blob ID": "Blob id",
    "Raw Blob ID": "Id in the table",
    "Blob Size": "Blob size",
    "Compressed Data Size": "Compressed data size",
    "Uncompressed Data Size": "Uncompressed data size",
    "Mapped Block Address": "Mapped block address",
    "Features": "Features",
    "Compressor": "Compressor",
    "Digester": "Digester",
    "Cipher": "Cipher",
    "Chunk Size": "Chunk size",
    "Chunk Count": "Chunk count",
    "Prefetch Table Offset": "Prefetch offset",
    "Prefetch Table Size": "Prefetch size",
    "Meta Compressor": "Meta compressor",
    "Meta Offset": "Meta offset",
    "Meta Compressed Size": "Meta compressed size",
    "Meta Uncompressed Size": "Meta uncompressed size",
    "ToC Digest": "ToC digest",
    "ToC Size": "ToC size",
    "RAFS Blob Digest": "Meta blob digest",
    "RAFS Blob Size": "Meta blob size",
}


def text_of(answer, *, width=300, painter=PAINTER):
    return painter.paint(RENDERERS[type(answer)].to_lines(answer, Sheet(width=width, painter=painter)))


def facts_of(text):
    """Label and value of each line; lines without a label belong to the one before."""
    found = {}
    for line in text.splitlines():
        if match := re.fullmatch(r" *(\S+(?: \S+)*)  +(\S.*)", line):
            label = match[1]
            found[label] = match[2]
        elif line.strip():
            found[label] += " " + line.strip()
    return found


def number(value):
    return int(value.split()[0], 0)


@pytest.mark.parametrize("name", recorded.NAMES)
def test_stats_have_the_facts_of_the_peer(name):
    theirs, _, _ = recorded.prompt(name)
    with opened(name) as image:
        ours = facts_of(text_of(read_stats(image)))
    assert ours["Version"] == theirs["Version"]
    assert ours["Inodes count"] == theirs["Inodes Count"]
    assert ours["Root inode"] == theirs["Root Inode"]
    assert ours["Flags"] == theirs["Flags"]
    assert number(ours["Chunk size"]) == int(theirs["Chunk Size"].removesuffix("KB")) * 1024
    for table in ("Blob table", "Prefetch table", "Chunk table"):
        offset, size = _place(ours[table])
        assert offset == int(theirs[f"{table} offset"], 16)
        if table == "Prefetch table":
            assert (size % 4, size // 4) == (0, int(theirs[f"{table} entries"], 16))
            assert ours[table].endswith(f" {size // 4} entries")
        else:
            assert size == int(theirs[f"{table} size"], 16)


def _place(text):
    match = re.match(r"at (\w+)(?: \(\d+\))?, (\d+) bytes", text)
    return (int(match[1], 0), int(match[2])) if match else (0, 0) if text == "none" else None


@pytest.mark.parametrize("name", recorded.NAMES)
def test_blobs_have_the_facts_of_the_peer(name):
    _, theirs, _ = recorded.prompt(name)
    with opened(name) as image:
        blocks = [block for block in text_of(list_blobs(image)).split("\n\n") if "Blob id" in block]
    found = Counter()
    for index, (their, block) in enumerate(zip(theirs, blocks, strict=True)):
        our = facts_of(block.partition("\n")[2])
        assert their.keys() == BLOB_LABELS.keys()
        for label, ours in BLOB_LABELS.items():
            if not _same_fact(label, their, our[ours]):
                found[Case(name, "blobs (text)", f"{index} {label}", their[label], our[ours])] += 1
    assert found == cases_of(name, "blobs (text)")


def _same_fact(label, theirs, ours):
    value = theirs[label]
    if label == "Raw Blob ID":
        return ours == "the same" and value == theirs["Blob ID"] != PLACEHOLDER
    if label == "Features":
        return ours.partition(" ")[2] == value
    if label in ("ToC Digest", "RAFS Blob Digest"):
        return value == (ZEROS if ours == "none" else ours)
    if label in ("Digester", "Cipher"):
        return value.lower() == ours.replace("_", "")
    return number(ours) == int(value, 0) if re.fullmatch(r"0x\w+|\d+", value) else ours == value


@pytest.mark.parametrize("name", recorded.NAMES)
def test_prefetch_has_the_facts_of_the_peer(name):
    _, _, theirs = recorded.prompt(name)
    with opened(name) as image:
        first, *lines = text_of(list_prefetch(image)).splitlines()
    assert first.split()[-1] == str(len(theirs))
    for (inode, path), line in zip(theirs, lines, strict=True):
        assert line.split()[0] == str(inode)
        assert f"  {(path.rstrip(b'/') or b'/').decode()}" in line
        assert line.endswith(" (the whole image)") == (path == b"/")


@pytest.mark.parametrize("name", recorded.NAMES)
def test_a_superblock_shows_every_number_of_its_json(name):
    with opened(name) as image:
        answer = read_superblock(image)
    head, title, fields = text_of(answer).partition("\n\nStored fields\n")
    assert title
    assert not [label for label in facts_of(head) if "_" in label]
    assert list(facts_of(fields)) == [name for name, _ in (*answer.fields, *answer.texts)]
    text, said = facts_of(head) | facts_of(fields), as_json(answer)
    stored = dict(answer.fields)
    assert {label: number(text[label]) for label in stored} == stored
    assert {number(text[label]) for label in ("Inodes count", "Root inode", "Blobs", "Prefetch entries")} == {
        said[key] for key in ("inode_count", "root_inode", "blob_count", "prefetch_count")
    }
    assert text["Flags"] == f"{said['flags']:#x} {' | '.join(said['flag_names'])}"


@pytest.mark.parametrize("name", recorded.NAMES)
def test_entries_show_every_fact_of_their_json(name):
    with opened(name) as image:
        for row in image.tree.walk():
            answer = describe_entry(image, row)
            _check_entry(text_of(answer), answer, as_json(answer))


def _check_entry(text, answer, said):
    head, _, chunks = text.partition("Chunks: ")
    facts = facts_of(head)
    numbers = {
        "Inode number": "inode", "Size": "size", "Parent": "parent", "Links": "nlink", "UID": "uid", "GID": "gid",
        "Modified": "mtime", "Nanoseconds": "mtime_nsec", "Blocks": "blocks", "Mode": "mode", "Names": "name_count",
    }  # fmt: skip
    assert {label: number(facts[label]) for label in numbers} == {label: said[key] for label, key in numbers.items()}
    assert facts["Path"] == shown_path(answer.attributes.path, PAINTER)
    assert facts["Name"] == shown(answer.attributes.name, PAINTER)
    assert facts["Kind"] == said["kind"]
    assert facts["Permissions"] == f"{filemode(said['mode'])} ({said['permissions']})"
    assert facts.get("Digest") == said["digest"]
    assert facts.get("Device") == (said["device"] and "{major}, {minor}".format(**said["device"]))
    target = answer.content.target
    assert facts.get("Target") == (None if target is None else shown(target, PAINTER))
    for xattr in answer.content.xattrs:
        assert f"\nXattr {' ' * 7} {shown(xattr.name, PAINTER)} = {shown(xattr.value, PAINTER)}\n" in head
    _check_chunks(chunks, said["chunks"] or [])


def _check_chunks(text, chunks):
    rows = [line.split() for line in text.splitlines() if re.match(r" +\d", line)]
    assert rows == [
        [
            *(str(chunk[key]) for key in ("file_offset", "chunk_index", "compressed_offset", "compressed_size")),
            *(str(chunk[key]) for key in ("decompressed_offset", "decompressed_size")),
            "none" if chunk["chunk_id"] == ZEROS else chunk["chunk_id"],
        ]
        for chunk in chunks
    ]
    assert set(re.findall(r"^  Blob (\d+)  (\S+)$", text, re.MULTILINE)) == {
        (str(chunk["blob_index"]), chunk["blob_id"]) for chunk in chunks
    }


@pytest.mark.parametrize("name", ["v5-zstd", "v6-zstd", "merge-oci-v6"])
def test_listings_show_sign_number_and_name(name):
    with opened(name) as image:
        for answer in (list_directory(image, 0), list_found(image, b"*", 0)):
            lines = text_of(answer).splitlines()
            for line, entry, said in zip(lines, answer.entries, as_json(answer), strict=True):
                name_ = shown_path(entry.name, PAINTER) if answer.has_paths else shown(entry.name, PAINTER)
                assert line == f"{said['sign']} {said['inode']:>8}  {name_}"


@pytest.mark.parametrize("name", ["v5-none", "v6-none", "merge-oci-v5", "v6-batch"])
def test_uses_of_chunks_show_names_and_chunks(name):
    with opened(name) as image:
        answer = find_chunks(image, 0)
    blocks = text_of(answer).split("\n\n")
    for block, use, said in zip(blocks, answer.files, as_json(answer)["files"], strict=True):
        assert re.findall(r"^(/\S+)  inode (\d+)$", block, re.MULTILINE) == [
            (shown_path(path, PAINTER), str(use.ino)) for path in use.paths
        ]
        _check_chunks(re.sub(r"^/.*\n", "", block, flags=re.MULTILINE), said["chunks"])


def test_no_use_of_a_chunk_is_said():
    with opened("v6-none") as image:
        assert text_of(find_chunks(image, 3)) == "No file uses a chunk at compressed offset 3 of any blob.\n"
        blob_id = image.head.blobs[0].blob_id
        assert text_of(find_chunks(image, 3, "0")).endswith(f"offset 3 of blob {blob_id}.\n")


def test_an_inode_of_one_name_is_one_block():
    with opened("v6-zstd") as image:
        row = image.tree.lookup(b"one")
        text = text_of(check_inode(image, int(image.tree.entries.ino[row])))
    head, _, facts = text.partition("Chunks: ")[0].partition("\n")
    assert (head, facts_of(facts)["Names"]) == ("/one", "1")
    assert "\n\n" not in text
    assert len({re.match(r" +\S+(?: \S+)*  +", line).end() for line in facts.splitlines()}) == 1


def test_offsets_are_plain_digits():
    with opened("v6-zstd") as image:
        assert "Blob table      at 4096, 256 bytes\n" in text_of(read_stats(image))
        text = text_of(read_superblock(image))
    assert "  blob_table_offset      4096\n" in text
    assert "  magic                  0xe0f5e1e2 (3774210530)\n" in text


def test_an_inode_shows_each_name_and_what_they_share_once():
    with opened("v5-none") as image:
        row = image.tree.lookup(b"hl")
        text = text_of(check_inode(image, int(image.tree.entries.ino[row])))
        said = as_json(describe_entry(image, row))
    first, second, shared = text.split("\n\n")
    for block, path, name in ((first, "/d/e/f", "f"), (second, "/hl", "hl")):
        heading, _, facts = block.partition("\n")
        assert (heading, facts_of(facts)["Name"], number(facts_of(facts)["Size"])) == (path, name, 9000)
    title, _, facts = shared.partition("Chunks: ")[0].partition("\n")
    assert title == "All names share"
    assert facts_of(facts) == {"Names": "2", "Digest": said["digest"]}
    columns = {re.match(r" +\S+(?: \S+)*  +", line).end() for line in (first + "\n" + facts).splitlines()[1:]}
    assert len(columns) == 1
    _check_chunks(shared.partition("Chunks: ")[2], said["chunks"])


def test_empty_answers_say_so():
    with opened("v6-nodata") as image:
        assert text_of(list_blobs(image)) == "The image has no blobs.\n"
        assert text_of(list_prefetch(image)) == "Total prefetching files  0\n"
        assert "Chunks: none\n" in text_of(describe_entry(image, image.tree.lookup(b"empty")))
        assert text_of(list_found(image, b"nosuch")) == "Nothing found.\n"
        assert as_json(list_found(image, b"nosuch")) == []
    lost = answers.PrefetchList(entries=(answers.PrefetchEntry(ino=7, paths=()),))
    assert text_of(lost).splitlines()[1] == "         7  no such inode in the image"


@pytest.mark.parametrize(("seconds", "said"), [(-1, "1969-12-31 23:59:59 UTC"), (1 << 40, ""), (-(1 << 62), "")])
def test_times_that_no_calendar_has_stay_numbers(seconds, said):
    attributes = answers.EntryAttributes(
        path=b"a", name=b"a", ino=1, parent_ino=1, kind="fifo", mode=0o10600, nlink=1, uid=0, gid=0, size=0, blocks=0,
        mtime=seconds, mtime_nsec=0,
    )  # fmt: skip
    content = answers.InodeContent(name_count=1, target=None, device=None, xattrs=(), digest=b"", chunks=None)
    facts = facts_of(text_of(answers.EntryFacts(attributes=attributes, content=content)))
    assert facts["Modified"] == (f"{seconds} ({said})" if said else str(seconds))


@pytest.mark.parametrize("width", [1, 20, 40, 80])
def test_a_narrow_terminal_breaks_words_and_no_values(width):
    with opened("v6-toc") as image:
        for answer in (read_stats(image), read_superblock(image), list_blobs(image)):
            narrow, wide = text_of(answer, width=width), text_of(answer)
            assert narrow.split() == wide.split()
            assert max(len(line) for line in narrow.splitlines()) <= max(width, 100)


def all_answers(image):
    tree = image.tree
    yield from (read_stats(image), read_superblock(image), list_blobs(image), list_prefetch(image))
    yield from (list_found(image, b"*", 0), find_chunks(image, 0))
    for row in tree.walk():
        yield from (list_directory(image, row), describe_entry(image, row))
        yield check_inode(image, int(tree.entries.ino[row]))


@pytest.mark.parametrize("name", KEYS)
def test_no_answer_has_the_key(name):
    with opened(name) as image:
        (blob,) = image.head.blobs
        kinds, everything = set(), []
        for answer in all_answers(image):
            kinds.add(type(answer))
            everything += [repr(as_json(answer)), text_of(answer), text_of(answer, painter=PLAIN), repr(answer)]
    assert kinds == set(RENDERERS)
    assert blob.key.hex() == KEYS[name][0]
    assert (len(blob.key), len(blob.iv)) == (32, 16)
    secrets = [blob.key, blob.key[:16], blob.key[16:], blob.iv, blob.iv[:8], blob.iv[8:]]
    forms = {repr(blob.key)[2:-1], repr(blob.iv)[2:-1], KEYS[name][1]}
    for secret in secrets:
        forms |= {secret.hex(), secret.hex().upper(), base64.b64encode(secret).decode().rstrip("=")}
        forms |= {str(int.from_bytes(secret, order)) for order in ("little", "big")}
    searched = "\n".join(everything)
    assert blob.blob_id in searched
    assert not [form for form in forms if form in searched]


@settings(deadline=None, max_examples=200)
@given(
    values=some.lists(
        some.one_of(
            some.binary(max_size=6),
            some.text(max_size=4).map(lambda text: text.encode("utf-8", "surrogatepass")),
            some.text(alphabet='\\xu08"5\x85é… ', max_size=6).map(str.encode),
        ),
        max_size=12,
        unique=True,
    ),
    painter=some.sampled_from([PAINTER, PLAIN]),
)
def test_names_stand_on_one_line_and_never_look_alike(values, painter):
    texts = [shown(value, painter) for value in values]
    assert len(set(texts)) == len(texts)
    assert all(text and len(text.splitlines()) == 1 for text in texts)
    assert all("\x1b" not in text and "\x07" not in text for text in texts)
    assert painter.unicode or all(text.isascii() for text in texts)


@pytest.mark.parametrize(
    ("name", "rich", "plain"),
    [
        (b"bin", "bin", "bin"),
        (b"", '""', '""'),
        (b"with space", '"with space"', '"with space"'),
        (b"new\nline", '"new\\x0aline"', '"new\\x0aline"'),
        (b'q"\\', '"q\\"\\\\"', '"q\\"\\\\"'),
        (b"raw-\xff\x85", '"raw-\\xff\\x85"', '"raw-\\xff\\x85"'),
        ("\x85".encode(), '"\\u0085"', '"\\u0085"'),
        ("ünï".encode(), "ünï", '"\\u00fcn\\u00ef"'),
        ("\u202ea…".encode(), '"\\u202ea…"', '"\\u202ea\\u2026"'),
        ("😀".encode(), "😀", '"\\U0001f600"'),
    ],
)
def test_names_are_shown_as_they_are_where_that_is_plain(name, rich, plain):
    assert (shown(name, PAINTER), shown(name, PLAIN)) == (rich, plain)
