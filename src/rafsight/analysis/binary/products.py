"""Programs that are known by their names, and where they say their version.

The table for `known.py`. Names are base names with `*`; a file `beside` is named from the folder above the program's
(`usr/local` for `usr/local/bin/node`). Texts are searched in the read-only data of the program; each expression has one
group and repeats nothing without a bound. `{release}` stands for the version in the name of
the file (`3.11` in `python3.11`). What a name alone would have to be believed for, has no line here (`gzip`, `jq`).
"""

from dataclasses import dataclass
from typing import Final

_NUMBERS: Final = rb"([0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}"
_BUILT: Final = rb"(?<![0-9.])" + _NUMBERS + rb")(?:buildkitsandbox|[0-9A-Za-z_]{12})-[0-9]{9}"
"""Version, host (twelve characters in a container) and time of a build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One piece of software."""

    name: str
    """As in `pkg:generic/NAME`."""
    programs: tuple[bytes, ...]
    """Paths from the folder that holds it: `bin/node`, `lib*/libcrypto*.so*`."""
    texts: tuple[bytes, ...] = ()
    """Expressions, the best first."""
    beside: bytes = b""
    """A small text file that says the version, from the folder above the program's."""
    beside_texts: tuple[bytes, ...] = ()
    """Expressions for it; what they find, joined by dots."""


PRODUCTS: Final = (
    Product(
        name="python",
        programs=(b"bin/python2.*", b"bin/python3.*", b"lib/libpython*.so*", b"lib64/libpython*.so*"),
        texts=(rb"\x00({release}\.[0-9]{1,3}[+0-9a-z]{0,8})\x00",),
        beside=b"include/python*/patchlevel.h",
        beside_texts=(rb'#define\s{1,8}PY_VERSION\s{1,8}"([^"\n]{1,40})"',),
    ),
    Product(
        name="node",
        programs=(b"bin/node",),
        texts=(rb"node\.js/v" + _NUMBERS + rb")", rb"\x00(?:node )?v" + _NUMBERS + rb")\x00"),
        beside=b"include/node/node_version.h",
        beside_texts=tuple(rb"#define NODE_%b_VERSION ([0-9]{1,4})" % part for part in (b"MAJOR", b"MINOR", b"PATCH")),
    ),
    Product(
        name="go",
        programs=(b"bin/go",),
        beside=b"VERSION",
        beside_texts=(rb"\Ago([0-9][0-9.a-z]{0,30})",),
    ),
    Product(
        name="ruby",
        programs=(b"bin/ruby", b"lib/libruby.so.*", b"lib64/libruby.so.*"),
        texts=(rb"ruby " + _NUMBERS + rb"(?:p|preview|rc|dev)?[0-9]{0,4}) \(20",),
        beside=b"lib/ruby/*/*/rbconfig.rb",
        beside_texts=(rb'CONFIG\["RUBY_PROGRAM_VERSION"\] = "([^"\n]{1,40})"',),
    ),
    Product(
        name="perl",
        programs=(b"bin/perl",),
        texts=(rb"/lib/perl5/" + _NUMBERS + rb")",),
        beside=b"lib/perl5/*/*/Config.pm",
        beside_texts=(rb"version => '([0-9][0-9.]{1,20})'",),
    ),
    Product(
        name="php",
        programs=(b"bin/php", b"sbin/php-fpm", b"modules/libphp*.so"),
        texts=(rb"X-Powered-By: PHP/([0-9][0-9A-Za-z.]{1,30})",),
        beside=b"include/php/main/php_version.h",
        beside_texts=(rb'#define\s{1,8}PHP_VERSION\s{1,8}"([^"\n]{1,40})"',),
    ),
    Product(
        name="openssl",
        programs=(b"bin/openssl", b"lib/libcrypto.so*", b"lib64/libcrypto.so*", b"*.libs/libcrypto*.so*"),
        texts=(rb"OpenSSL " + _NUMBERS + rb"[a-z]{0,2}(?:-(?:alpha|beta|rc|dev)[0-9]{0,2})?) ",),
        beside=b"include/openssl/opensslv.h",
        beside_texts=(rb'# *define\s{1,8}OPENSSL_VERSION_(?:STR|TEXT)\s{1,8}"(?:OpenSSL )?([0-9][^" \n]{1,40})',),
    ),
    Product(
        name="postgresql",
        programs=(b"bin/postgres",),
        texts=(rb"PostgreSQL ([0-9]{1,3}(?:\.[0-9]{1,3}){0,2}(?:alpha|beta|rc)?[0-9]{0,2})[ \x00]",),
        beside=b"include/pg_config.h",
        beside_texts=(rb'#define PG_VERSION "([^"\n]{1,40})"',),
    ),
    Product(
        name="httpd",
        programs=(b"bin/httpd", b"sbin/httpd"),
        texts=(rb"Apache/" + _NUMBERS + rb")",),
        beside=b"include/ap_release.h",
        beside_texts=tuple(
            rb"#define\s{1,8}AP_SERVER_%b_NUMBER\s{1,8}([0-9]{1,4})" % part
            for part in (b"MAJORVERSION", b"MINORVERSION", b"PATCHLEVEL")
        ),
    ),
    Product(
        name="nginx",
        programs=(b"sbin/nginx", b"bin/nginx"),
        texts=(rb"nginx version: [a-z]{1,20}/" + _NUMBERS + rb")",),
    ),
    Product(
        name="redis",
        programs=(b"bin/redis-server",),
        texts=(
            _BUILT,
            rb"Redis version (?:%s, )?" + _NUMBERS + rb")",
        ),
    ),
    Product(
        name="valkey",
        programs=(b"bin/valkey-server",),
        texts=(_BUILT,),
    ),
    Product(
        name="haproxy",
        programs=(b"sbin/haproxy", b"bin/haproxy"),
        texts=(
            rb"HA-?Proxy version ([0-9]\.[0-9]{1,2}(?:\.|-dev|-rc)[0-9]{1,3})",
            rb"version ([0-9]\.[0-9]{1,2}(?:\.|-dev|-rc)[0-9]{1,3})(?:-[a-z0-9]{7})?, released 20",
            rb"\x00([0-9]\.[0-9]{1,2}(?:\.|-dev|-rc)[0-9]{1,3})-[0-9a-f]{6,9}\x00",
        ),
    ),
    Product(name="memcached", programs=(b"bin/memcached",), texts=(rb"memcached " + _NUMBERS + rb")",)),
    Product(
        name="mysql",
        programs=(b"bin/mysql", b"bin/mysqld", b"sbin/mysqld"),
        texts=(rb"/mysql-" + _NUMBERS + rb")", rb"\x00" + _NUMBERS + rb")\x00{1,16}mysql_real"),
    ),
    Product(
        name="mariadb",
        programs=(b"bin/mariadb", b"bin/mariadbd", b"sbin/mariadbd", b"bin/mysql", b"bin/mysqld", b"sbin/mysqld"),
        texts=(rb"(?<![0-9.])" + _NUMBERS + rb")-MariaDB",),
    ),
    Product(name="busybox", programs=(b"bin/busybox",), texts=(rb"BusyBox v" + _NUMBERS + rb")",)),
    Product(name="bash", programs=(b"bin/bash",), texts=(rb"@\(#\)Bash version " + _NUMBERS + rb")\(",)),
    Product(
        name="curl",
        programs=(b"bin/curl",),
        texts=(rb"curl/" + _NUMBERS + rb")",),
        beside=b"include/curl/curlver.h",
        beside_texts=(rb'#define LIBCURL_VERSION "([^"\n]{1,40})"',),
    ),
    Product(name="lighttpd", programs=(b"sbin/lighttpd",), texts=(rb"lighttpd/" + _NUMBERS + rb")\x00",)),
    Product(name="proftpd", programs=(b"sbin/proftpd",), texts=(rb"ProFTPD Version " + _NUMBERS + rb"[a-z]?)\x00",)),
    Product(name="xz", programs=(b"bin/xz",), texts=(rb"xz \(XZ Utils\) " + _NUMBERS + rb")\x00",)),
    Product(
        name="erlang",
        programs=(b"bin/erlexec", b"bin/beam.smp"),
        texts=(rb"/otp(?:_src_|-)([0-9]{1,3}(?:\.[0-9]{1,3}){1,4})/erts/",),
        beside=b"releases/*/OTP_VERSION",
        beside_texts=(rb"\A([0-9]{1,3}(?:\.[0-9]{1,3}){1,4})",),
    ),
    Product(
        name="elixir",
        programs=(b"bin/elixir",),
        beside=b"lib/elixir/ebin/elixir.app",
        beside_texts=(rb'\{vsn, ?"([^"\n]{1,40})"\}',),
    ),
    Product(
        name="julia",
        programs=(b"bin/julia",),
        beside=b"include/julia/julia_version.h",
        beside_texts=(rb'#define JULIA_VERSION_STRING "([^"\n]{1,40})"',),
    ),
    Product(
        name="rust",
        programs=(b"lib/libstd-*.so",),
        texts=(rb"rustc version " + _NUMBERS + rb")",),
    ),
    Product(name="gcc", programs=(b"bin/gcc",), texts=(rb"GCC: \(GNU\) " + _NUMBERS + rb")",)),
    Product(
        name="fluent-bit",
        programs=(b"bin/fluent-bit",),
        texts=(rb"\x00" + _NUMBERS + rb")\x00{1,2}(?:\x1b\[1m\x00)?(?:%s)?Fluent",),
    ),
)
