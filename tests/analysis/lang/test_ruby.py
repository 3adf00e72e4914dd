import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import Tree, components, extract, run

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.lang.ruby import RUBY


@pytest.mark.parametrize(
    ("content", "name", "version", "licences"),
    [
        (kinds.GEMSPEC, "rack", "2.2.3", ("MIT",)),
        (kinds.NATIVE_GEMSPEC, "nokogiri", "1.15.4", ("MIT", "Ruby")),
        (
            b"Gem::Specification.new do |spec|\n  spec.name = 'a'\n  spec.version = Gem::Version.new('1.0')\n",
            "a",
            "1.0",
            (),
        ),
        (b"  s.name = %q{b}\n  s.version = %q{0.9}\n  s.license = 'MIT'\n", "b", "0.9", ("MIT",)),
        (b"# stub: c 3.0.1 ruby lib\n  s.name = NAME\n  s.version = C::VERSION\n", "c", "3.0.1", ()),
    ],
)
def test_specifications(content, name, version, licences):
    (found,) = components(extract(RUBY, content))
    assert (found.name, found.version, found.licenses) == (name, version, licences)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'  s.name = "a"\n  s.version = A::VERSION\n',
        b'  s.version = "1"\n',
        b'  s.name = "a#{b}"\n  s.version = "1"\n',
        b'  s.metadata["version"] = "1"\n  s.name = "x"\n  s.required_ruby_version = "2"\n',
        b'  s.name = "' + b"x" * 3000 + b'"\n  s.version = "1"\n',
    ],
)
def test_what_is_not_written_out_is_malformed(content):
    with pytest.raises(MalformedFile):
        extract(RUBY, content)


def test_places_and_heads():
    long = kinds.GEMSPEC + b"# file\n" * 100_000
    tree = Tree(
        {
            b"a/specifications/x.gemspec": long,
            b"a/specifications/default/json-2.6.3.gemspec": kinds.DEFAULT_GEMSPEC,
            b"a/bundler/gems/y-abc/y.gemspec": kinds.NATIVE_GEMSPEC,
            b"a/gems/z-1/z.gemspec": b"s.version = Z::VERSION",
        }
    )
    inventory = run(tree, [RUBY])
    assert [item.purl for item in inventory.components] == [
        "pkg:gem/json@2.6.3",
        "pkg:gem/nokogiri@1.15.4",
        "pkg:gem/rack@2.2.3",
    ]
    assert max(size for _, ranges in tree.reads for _, size in ranges) == 16 * 1024
    assert inventory.gaps == ()


def test_any_damage_is_borne():
    check_damage(RUBY, kinds.NATIVE_GEMSPEC, b"a/specifications/x.gemspec")
