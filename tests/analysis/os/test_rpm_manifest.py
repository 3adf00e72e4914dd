from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import Skipped
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.analysis.os.rpm_manifest import RPM_MANIFEST

LINE = b"openssl-libs\t3.3.0-1.azl3\t1718304000\t1717804000\tMicrosoft Corporation\t(none)\t8230432\tx86_64\t0\topenssl-3.3.0-1.azl3.src.rpm\n"


def test_lines():
    found = extract(RPM_MANIFEST, LINE + LINE.replace(b"\t0\t", b"\t3\t").replace(b"-libs", b"-x") + b"\nodd\tline\n")
    assert components(found) == [
        Component(
            ecosystem=Ecosystem.RPM,
            evidence=EvidenceClass.INSTALLED,
            name="openssl-libs",
            version="3.3.0-1.azl3",
            arch="x86_64",
            source_name="openssl",
            source_version="3.3.0-1.azl3",
            maintainer="Microsoft Corporation",
        ),
        Component(
            ecosystem=Ecosystem.RPM,
            evidence=EvidenceClass.INSTALLED,
            name="openssl-x",
            version="3:3.3.0-1.azl3",
            arch="x86_64",
            source_name="openssl",
            source_version="3:3.3.0-1.azl3",
            maintainer="Microsoft Corporation",
        ),
    ]
    assert [item.what for item in found if isinstance(item, Skipped)] == ["line 4 is no package"]


@given(st.lists(st.sampled_from([b"\t", b"a", b"\n", b"-", b"\xb2", b"9", LINE]), max_size=60).map(b"".join))
def test_any_content_gives_components_or_skips(content):
    assert all(isinstance(item, Component | Skipped) for item in extract(RPM_MANIFEST, content))
