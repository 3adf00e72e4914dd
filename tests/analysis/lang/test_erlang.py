import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.lang.erlang import ERLANG


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (kinds.OTP_APP, ("otp", "ssl", "10.9.1")),
        (b'{application,phoenix,[{applications,[kernel]},{vsn,"1.7.2"}]}.\n', ("hex", "phoenix", "1.7.2")),
        (b'% {application, no, [{vsn, "0"}]}\n{ application , \'my_app\' ,[{vsn , "1" }]}.', ("hex", "my_app", "1")),
    ],
)
def test_applications(content, expected):
    (found,) = components(extract(ERLANG, content))
    assert (found.ecosystem, found.name, found.version) == expected


@pytest.mark.parametrize(
    "content", [b"", b"{application, x, []}.", b'[{vsn, "1"}].', b"{application, x, [{vsn, git}]}."]
)
def test_anything_else_is_malformed(content):
    with pytest.raises(MalformedFile):
        extract(ERLANG, content)


def test_any_damage_is_borne():
    check_damage(ERLANG, kinds.OTP_APP, b"lib/ssl/ebin/ssl.app")
