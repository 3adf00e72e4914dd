import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.analysis.binary.programs import elf, framed, inline_build_info, pointed_program, uvarint
from tests.formats.test_foreign import macho, pe

from rafsight.analysis.binary.elf import ELF
from rafsight.analysis.binary.go import main_version, parse_modules, standard_library
from rafsight.analysis.extractor import FileView, MalformedFile, ReadMore, Skipped
from rafsight.analysis.inventory import Component


def modules(text):
    return [(item.name, item.version) for item in parse_modules(text.encode()) if isinstance(item, Component)]


def extract(content):
    return list(ELF.extract(FileView(path=b"a", size=len(content), runs=((0, content),))))


def with_info(info):
    return extract(elf({b".go.buildinfo": info}))


def test_modules_and_their_replacements():
    text = (
        "path\texample.org/app/cmd/x\n"
        "mod\texample.org/app\tv1.4.0\t\n"
        "dep\tgithub.com/BurntSushi/toml\tv1.2.0\th1:a=\n"
        "dep\texample.org/a\tv1.0.0\n"
        "=>\texample.org/b\tv2.0.0\th1:b=\n"
        "dep\tk8s.io/api\tv0.0.0\n"
        "=>\t./staging/src/k8s.io/api\t(devel)\t\n"
        "dep\tk8s.io/old\tv0.0.0\n"
        "=>\t../old\n"
        "dep\texample.org/last\tv0.1.0+incompatible\th1:c=\n"
        "build\t-compiler=gc\n"
    )
    assert modules(text) == [
        ("github.com/BurntSushi/toml", "v1.2.0"),
        ("example.org/b", "v2.0.0"),
        ("k8s.io/api", "(devel)"),
        ("k8s.io/old", "(devel)"),
        ("example.org/last", "v0.1.0+incompatible"),
        ("example.org/app", "v1.4.0"),
    ]


def test_odd_lines_are_no_modules():
    assert modules("=>\tx\tv1\n\n\t\nunknown\tx\nmod\n") == []
    assert list(parse_modules(b"dep\t\tv1\n")) == [Skipped(what="a module without a name")]
    assert modules("dep\texample.org/a") == [("example.org/a", "(devel)")]


@pytest.mark.parametrize(
    ("version", "flags", "expected"),
    [
        ("v1.2.3", "-X main.version=9.9.9", "v1.2.3"),
        ("v1.2.4-0.20240102030405-0123456789ab", "-X main.version=9.9.9", "v1.2.4-0.20240102030405-0123456789ab"),
        ("(devel)", "", "(devel)"),
        ("", "", "(devel)"),
        ("v0.0.0-20240102030405-0123456789ab", "", "(devel)"),
        ("v0.0.0-20240102030405-0123456789ab+dirty", '"-s -w -X main.version=1.2.3"', "v1.2.3"),
        ("(devel)", "-X=main.Version=v1.2.3-rc.1", "v1.2.3-rc.1"),
        ("(devel)", "-X 'example.org/app/cmd/root.gitVersion=1.30.1' -X example.org/app/x.version=2.0.0", "v1.30.1"),
        (
            "(devel)",
            "-X example.org/app/internal/version.Version=2.0.0 -X k8s.io/x/version.gitVersion=v1.0.0",
            "v2.0.0",
        ),
        ("(devel)", "-X k8s.io/x/version.gitVersion=v1.0.0", "v1.0.0"),
        ("(devel)", "-X a.version=1.0.0 -X b.version=2.0.0", "(devel)"),
        ("(devel)", "-X a.version=1.0.0 -X b.version=1.0.0", "v1.0.0"),
        ("(devel)", "-X main.version=dev -X main.commit=1.2.3 -X main.goVersion=go1.21", "(devel)"),
    ],
)
def test_the_version_of_the_main_module(version, flags, expected):
    assert main_version("example.org/app", version, flags) == expected


def test_flags_stand_among_the_settings():
    text = 'mod\texample.org/app\t(devel)\t\nbuild\t-ldflags="-s -w -X main.version=1.2.3"\nbuild\tGOOS=linux\n'
    assert modules(text) == [("example.org/app", "v1.2.3")]


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("go1.21.3", "1.21.3"),
        ("go1.21", "1.21"),
        ("go1.22rc1", "1.22-rc.1"),
        ("go1.9beta2", "1.9-beta.2"),
        ("go1.19.4 X:boringcrypto", "1.19.4"),
        ("go1.21.5-custom", "1.21.5"),
        ("devel go1.24-abc123 Tue Jan 2 03:04:05 2024 +0000", "1.24-devel"),
        ("devel +abc123 Tue Jan 2", ""),
        ("", ""),
        ("go1", ""),
        ("1.2.3", ""),
    ],
)
def test_the_standard_library(release, expected):
    assert standard_library(release) == expected


def test_a_program_without_modules_has_a_standard_library():
    (found,) = with_info(inline_build_info("go1.20", ""))
    assert (found.name, found.version) == ("stdlib", "1.20")


def test_an_odd_release_is_said():
    (found,) = with_info(inline_build_info("devel +abc", ""))
    assert found == Skipped(what="the version of Go is none: devel +abc")


def test_the_info_may_begin_later_in_its_section():
    info = inline_build_info("go1.20", "")
    assert with_info(bytes(32) + info) == with_info(info)
    with pytest.raises(MalformedFile, match="no build info"):
        with_info(bytes(8) + info)


@pytest.mark.parametrize(
    ("info", "what"),
    [
        (b"", None),
        (bytes(64), "no build info"),
        (inline_build_info("go1.20", "")[:31], "no build info"),
        (inline_build_info("go1.20", "")[:32], "a length without an end"),
        (inline_build_info("go1.20", "")[:32] + b"\xff" * 40, "a length without an end"),
        (inline_build_info("go1.20", "")[:32] + uvarint(1 << 62), "beyond the end"),
        (inline_build_info("go1.20", "")[:32] + uvarint(2) + b"go" + uvarint(9), "beyond the end"),
        (b"\xff Go buildinf:\x03\x00" + bytes(32), "pointers of 3 bytes"),
        (b"\xff Go buildinf:\x08\x00" + b"\xff" * 32, "a pointer to 0xffffffffffffffff, where nothing is"),
        (b"\xff Go buildinf:\x08\x00" + bytes(32), "a pointer to 0x0, where nothing is"),
    ],
)
def test_damaged_info(info, what):
    if what is None:
        assert with_info(info) == []
        return
    with pytest.raises(MalformedFile, match=what):
        with_info(info)


def test_pointers_to_absurd_texts():
    program = pointed_program("go1.17.1", "mod\ta\tv1.0.0\t\n")
    size = len("go1.17.1").to_bytes(8, "little")
    with pytest.raises(MalformedFile, match="a text of 1073741824 bytes"):
        extract(program.replace(size, (1 << 30).to_bytes(8, "little")))


def test_a_text_without_its_frame_is_none():
    text = framed("mod\ta\tv1.0.0\t\n")
    info = inline_build_info("go1.20", "")[:32] + uvarint(6) + b"go1.20" + uvarint(len(text) - 1) + text[:-1]
    assert [item.name for item in with_info(info)] == ["stdlib"]


@given(
    some.lists(
        some.tuples(
            some.sampled_from(["mod", "dep", "=>", "build", "path", "", "-ldflags="]),
            some.lists(some.text(max_size=20), max_size=3),
        )
    )
)
def test_any_lines_are_read(lines):
    text = "\n".join("\t".join([word, *fields]) for word, fields in lines)
    for item in parse_modules(text.encode("utf-8", "surrogatepass")):
        assert isinstance(item, Skipped) or (item.name and item.version)


INFO = inline_build_info("go1.21.3", "mod\texample.org/app\tv1.0.0\t\n")


@pytest.mark.parametrize(
    "head",
    [
        pe((b".text", 9000, 9), (b".data", 8192, len(INFO))),
        macho((b"__text", 9, 9), (b"__go_buildinfo", 8192, len(INFO))),
    ],
    ids=["windows", "macos"],
)
def test_programs_of_other_systems(head):
    content = head.ljust(8192, b"\0") + INFO
    begin = FileView(path=b"a.exe", size=len(content), runs=((0, content[:4096]),))
    assert list(ELF.extract(begin)) == [ReadMore(ranges=((8192, len(INFO)),))]
    assert [(item.name, item.version) for item in extract(content)] == [
        ("example.org/app", "v1.0.0"),
        ("stdlib", "1.21.3"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        pe((b".data", 8192, 100)).ljust(9000, b"\0"),
        pe((b".data", 1 << 30, 100)).ljust(9000, b"\0"),
        pe((b".data", 8192, 0)).ljust(9000, b"\0"),
        pe((b".text", 8192, 100)).ljust(9000, b"\0"),
        pe((b".data", 8192, 100)).ljust(8192, b"\0") + b"\xff Go buildinf:\x08\x00" + bytes(500),
    ],
)
def test_what_other_programs_have_there(content):
    assert extract(content) == []
