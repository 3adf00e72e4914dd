"""Programs known by their names: the text beside them, or their data."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.analysis.binary.programs import elf
from tests.analysis.support import Tree, names, run

from rafsight.analysis.binary.known import KNOWN
from rafsight.analysis.binary.products import PRODUCTS
from rafsight.analysis.extractor import FileView, MalformedFile, ReadMore, Skipped
from rafsight.analysis.inventory import Component, EvidenceClass


def program(text, *, code=80_000):
    return elf({b".text": bytes(code), b".rodata": b"\0" + text + b"\0" + bytes(100)})


def look(files):
    tree = Tree(files)
    return names(run(tree, [KNOWN])), tree


TEXTS = [
    (b"usr/local/bin/python3.11", b"3.11.4", "python", "3.11.4"),
    (b"usr/local/lib/libpython3.9.so.1.0", b"3.9.18+", "python", "3.9.18+"),
    (b"opt/node/bin/node", b"node.js/v20.11.1", "node", "20.11.1"),
    (b"opt/node/bin/node", b"node v4.9.1", "node", "4.9.1"),
    (b"usr/local/bin/ruby", b"ruby 3.2.2 (2023-03-30 revision e51014f9c0) [x86_64-linux]", "ruby", "3.2.2"),
    (b"usr/local/lib/libruby.so.2.7.7", b"ruby 2.7.7p221 (2022-11-24 revision 1) []", "ruby", "2.7.7p221"),
    (b"usr/local/bin/perl", b"/usr/local/lib/perl5/5.38.2/x86_64-linux-gnu", "perl", "5.38.2"),
    (b"usr/local/sbin/php-fpm", b"X-Powered-By: PHP/8.3.0RC1", "php", "8.3.0RC1"),
    (b"usr/lib/apache2/modules/libphp.so", b"X-Powered-By: PHP/8.2.13", "php", "8.2.13"),
    (b"usr/local/bin/openssl", b"OpenSSL 3.0.8 7 Feb 2023", "openssl", "3.0.8"),
    (b"srv/psycopg2_binary.libs/libcrypto-a1.so.1.1", b"OpenSSL 1.1.1w  11 Sep 2023", "openssl", "1.1.1w"),
    (b"usr/local/bin/postgres", b"PostgreSQL 16.1 on x86_64-pc-linux-musl, compiled", "postgresql", "16.1"),
    (b"usr/local/bin/postgres", b"PostgreSQL 17beta2 on x86_64", "postgresql", "17beta2"),
    (b"usr/local/apache2/bin/httpd", b"Apache/2.4.58 (Unix)", "httpd", "2.4.58"),
    (b"usr/sbin/nginx", b"nginx version: nginx/1.25.3", "nginx", "1.25.3"),
    (b"usr/local/openresty/nginx/sbin/nginx", b"nginx version: openresty/1.21.4.1", "nginx", "1.21.4"),
    (b"usr/local/bin/redis-server", b"7.2.3buildkitsandbox-16988000000000000000", "redis", "7.2.3"),
    (b"usr/local/bin/redis-server", b"4.0.11841ce7054bd9-15423593020000000000", "redis", "4.0.11"),
    (b"usr/local/bin/redis-server", b"Server started, Redis version 2.8.23", "redis", "2.8.23"),
    (b"usr/local/bin/valkey-server", b"8.0.1buildkitsandbox-1698800000000000000", "valkey", "8.0.1"),
    (b"usr/local/sbin/haproxy", b"HA-Proxy version 2.2.33", "haproxy", "2.2.33"),
    (b"usr/local/sbin/haproxy", b"HAProxy version %s\x002.9.1-f72603c", "haproxy", "2.9.1"),
    (b"usr/local/bin/memcached", b"memcached 1.6.22", "memcached", "1.6.22"),
    (b"usr/sbin/mysqld", b"/build/mysql-8.0.35/mysys/x.cc", "mysql", "8.0.35"),
    (b"usr/bin/mysql", b"10.11.6-MariaDB", "mariadb", "10.11.6"),
    (b"bin/busybox", b"BusyBox v1.36.1 (2023-11-07 18:53:09 UTC)", "busybox", "1.36.1"),
    (b"usr/local/bin/bash", b"@(#)Bash version 5.2.15(1) release GNU", "bash", "5.2.15"),
    (b"usr/local/bin/curl", b"curl/8.5.0", "curl", "8.5.0"),
    (b"usr/sbin/lighttpd", b"lighttpd/1.4.71", "lighttpd", "1.4.71"),
    (b"usr/sbin/proftpd", b"ProFTPD Version 1.3.8b", "proftpd", "1.3.8b"),
    (b"usr/local/bin/xz", b"xz (XZ Utils) 5.4.1", "xz", "5.4.1"),
    (b"usr/lib/erlang/erts-13/bin/beam.smp", b"/usr/src/otp_src_25.3.2.6/erts/", "erlang", "25.3.2.6"),
    (b"opt/rust/lib/libstd-0123.so", b"clang LLVM (rustc version 1.74.0 (79e9716c9 2023-11-13))", "rust", "1.74.0"),
    (b"usr/local/bin/gcc", b"GCC: (GNU) 12.3.0", "gcc", "12.3.0"),
    (b"fluent-bit/bin/fluent-bit", b"2.2.1\0\0Fluent Bit v%s", "fluent-bit", "2.2.1"),
]


@pytest.mark.parametrize(("path", "text", "name", "version"), TEXTS)
def test_what_programs_say(path, text, name, version):
    found, tree = look({path: program(text)})
    assert found == [("generic", name, version)]
    assert tree.reads[0] == (path, ((0, 32_768),))


BESIDE = [
    (b"usr/local", b"bin/python3.11", b"include/python3.11/patchlevel.h", b'#define PY_VERSION      \t"3.11.4"\n', "python", "3.11.4"),
    (b"usr/local", b"bin/ruby", b"lib/ruby/3.2.0/x86_64-linux/rbconfig.rb", b'  CONFIG["RUBY_PROGRAM_VERSION"] = "3.2.2"\n', "ruby", "3.2.2"),
    (b"usr/local", b"bin/perl", b"lib/perl5/5.38.2/x86_64-linux-gnu/Config.pm", b"    version => '5.38.2',\n", "perl", "5.38.2"),
    (b"usr/local", b"bin/php", b"include/php/main/php_version.h", b'#define PHP_VERSION "8.2.13"\n', "php", "8.2.13"),
    (b"usr/local", b"bin/openssl", b"include/openssl/opensslv.h", b'# define OPENSSL_VERSION_STR "3.0.8"\n', "openssl", "3.0.8"),
    (b"usr/local", b"bin/openssl", b"include/openssl/opensslv.h", b'# define OPENSSL_VERSION_TEXT    "OpenSSL 1.1.1w  11 Sep 2023"\n', "openssl", "1.1.1w"),
    (b"usr/local", b"bin/postgres", b"include/pg_config.h", b'#define PG_VERSION "16.1"\n', "postgresql", "16.1"),
    (b"usr/local", b"bin/curl", b"include/curl/curlver.h", b'#define LIBCURL_VERSION "8.5.0-DEV"\n', "curl", "8.5.0-DEV"),
    (b"usr/lib/erlang", b"bin/erlexec", b"releases/25/OTP_VERSION", b"25.3.2.6\n", "erlang", "25.3.2.6"),
    (b"usr/lib/elixir", b"bin/elixir", b"lib/elixir/ebin/elixir.app", b'{application,elixir,[{vsn,"1.14.5"}]}', "elixir", "1.14.5"),
    (b"opt/julia", b"bin/julia", b"include/julia/julia_version.h", b'#define JULIA_VERSION_STRING "1.10.0"\n', "julia", "1.10.0"),
    (b"usr/local/go", b"bin/go", b"VERSION", b"go1.21.5\ntime 2023-11-29T21:21:46Z\n", "go", "1.21.5"),
    (b"usr/local", b"bin/node", b"include/node/node_version.h", b"#define NODE_MAJOR_VERSION 20\n#define NODE_MINOR_VERSION 11\n#define NODE_PATCH_VERSION 1\n", "node", "20.11.1"),
    (b"usr/local/apache2", b"bin/httpd", b"include/ap_release.h", b"#define AP_SERVER_MAJORVERSION_NUMBER 2\n#define AP_SERVER_MINORVERSION_NUMBER 4\n#define AP_SERVER_PATCHLEVEL_NUMBER   58\n", "httpd", "2.4.58"),
]  # fmt: skip


@pytest.mark.parametrize(("folder", "name", "beside", "text", "product", "version"), BESIDE)
def test_the_text_beside_a_program_comes_first(folder, name, beside, text, product, version):
    files = {folder + b"/" + name: program(b"of no use"), folder + b"/" + beside: text}
    found, tree = look(files)
    assert found == [("generic", product, version)]
    assert [path for path, _ in tree.reads] == [folder + b"/" + beside]


def test_every_product_is_tried():
    assert {product.name for product in PRODUCTS} == {case[2] for case in TEXTS} | {case[4] for case in BESIDE}


def test_headers_without_a_program_are_headers():
    header = b"#define NODE_MAJOR_VERSION 20\n#define NODE_MINOR_VERSION 11\n#define NODE_PATCH_VERSION 1\n"
    found, tree = look({
        b"root/.cache/node-gyp/20.11.1/include/node/node_version.h": header,
        b"usr/local/bin/node": program(b"node.js/v18.1.0"),
        b"srv/app/VERSION": b"go1.2.3\n",
    })  # fmt: skip
    assert found == [("generic", "node", "18.1.0")]
    assert {path for path, _ in tree.reads} == {b"usr/local/bin/node"}


def test_one_product_in_two_places():
    found, _ = look({b"a/bin/node": program(b"node.js/v18.1.0"), b"b/bin/node": program(b"node.js/v20.1.0")})
    assert found == [("generic", "node", "18.1.0"), ("generic", "node", "20.1.0")]


def test_a_name_is_only_a_hint():
    files = {
        b"a/bin/node": b"#!/bin/sh\nexec node.js/v18.1.0\n",
        b"b/bin/redis-server": program(b"nothing of the kind"),
        b"c/bin/go": program(b"go1.21.5"),
        b"d/lib/libpython3.so": program(b"3.11.4"),
        b"e/include/python3/patchlevel.h": b"#define nothing\n",
        b"e/bin/python3.1": program(b"3.1.4"),
    }
    found, _ = look(files)
    assert found == []


def test_only_the_read_only_data_is_read():
    content = elf({b".text": bytes(400_000), b".rodata": b"\0curl/8.5.0\0", b".data": bytes(400_000)})
    found, tree = look({b"usr/local/bin/curl": content})
    assert found == [("generic", "curl", "8.5.0")]
    assert sum(size for _, ranges in tree.reads for _, size in ranges) < 40_000


def test_components_say_that_they_are_a_guess():
    (component,) = run(Tree({b"usr/local/bin/curl": program(b"curl/8.5.0")}), [KNOWN]).components
    assert component.evidence is EvidenceClass.HEURISTIC
    assert component.purl == "pkg:generic/curl@8.5.0"


NAMES = [path.rpartition(b"/")[2] for path, *_ in TEXTS] + [case[2].rpartition(b"/")[2] for case in BESIDE]


@settings(deadline=None, max_examples=300)
@given(
    some.sampled_from(NAMES),
    some.binary(max_size=300)
    | some.lists(
        some.sampled_from([b"\0", b"1.2.3", b"9" * 90, b"go1", b"version", b'"', b"#define ", b" "]), max_size=40
    ).map(b"".join),
    some.booleans(),
)
def test_any_content_is_read_or_malformed(name, noise, is_program):
    content = program(noise, code=16) if is_program else noise
    try:
        found = list(KNOWN.extract(FileView(path=name, size=len(content), runs=((0, content),))))
    except MalformedFile:
        return
    assert all(isinstance(item, Component | Skipped | ReadMore) for item in found)


@pytest.mark.parametrize(
    "filler", [b"0", b"1.", b"9.9.9", b"\x001.1.1", b"9.9.9-abcdefabc", b"#define PY_VERSION  ", b"version 1."]
)
def test_hostile_data_takes_no_longer_than_other_data(filler):
    data = filler * (2_000_000 // len(filler))
    began = time.process_time()
    for name in dict.fromkeys(NAMES):
        content = program(data) if b"." not in name or b".so" in name else data
        list(KNOWN.extract(FileView(path=name, size=len(content), runs=((0, content),))))
    assert time.process_time() - began < 15  # [s]; a third of one here, minutes if anything grows with the square
