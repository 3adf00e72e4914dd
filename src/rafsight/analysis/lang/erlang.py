"""Applications of Erlang and Elixir: `ebin/NAME.app`, one Erlang term each.

This module alone decides how name and version are read of a term (by their place in the text, not by parsing it all),
and which applications come with the language itself. All others are taken for packages of Hex, which are called like
their applications, but for a few.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile
from rafsight.analysis.fields import identity_of
from rafsight.analysis.inventory import Component, Ecosystem
from rafsight.base.units import KiB, MiB
from rafsight.image.selection import Wants

OTP_APPLICATIONS: Final = frozenset({
    "asn1", "common_test", "compiler", "crypto", "debugger", "dialyzer", "diameter", "edoc", "eldap", "erl_docgen",
    "erl_interface", "erts", "et", "eunit", "ftp", "hipe", "inets", "jinterface", "kernel", "megaco", "mnesia",
    "observer", "odbc", "orber", "os_mon", "otp_mibs", "parsetools", "public_key", "reltool", "runtime_tools", "sasl",
    "snmp", "ssh", "ssl", "stdlib", "syntax_tools", "test_server", "tftp", "tools", "wx", "xmerl",
    "eex", "elixir", "ex_unit", "iex", "logger", "mix",
})  # fmt: skip
"""What Erlang/OTP and Elixir bring along."""
_HEAD: Final = 64 * KiB
_COMMENT: Final = re.compile(rb"(?m)^[ \t]{0,64}%[^\n]*")
_NAME: Final = re.compile(rb"\{\s{0,64}application\s{0,64},\s{0,64}'?([A-Za-z0-9_@.-]{1,256})'?\s{0,64},")
_VERSION: Final = re.compile(rb"\{\s{0,64}vsn\s{0,64},\s{0,64}\"([^\"\\]{1,256})\"\s{0,64}\}")


def read_application(file: FileView) -> Iterator[Found]:
    """Read one application.

    Raises: MalformedFile.
    """
    content = _COMMENT.sub(b"", file.content)
    name, version = _NAME.search(content), _VERSION.search(content)
    if name is None or version is None:
        raise MalformedFile(what=f"no {'version' if name else 'application'}", where="the term")
    application = identity_of(name[1])
    kind = Ecosystem.OTP if application in OTP_APPLICATIONS else Ecosystem.HEX
    yield Component(ecosystem=kind, name=application, version=identity_of(version[1]))


ERLANG: Final = Extractor(
    name="lang/erlang",
    version=1,
    wants=Wants(patterns=(b"**/ebin/*.app",), max_size=4 * MiB, head=_HEAD),
    extract=read_application,
)
