"""The same Java packages as Syft finds in the original: artifact and version always, the group where somebody says it."""

from tests.parity.conftest import run_syft
from tests.shared import needs_shared

import rafsight
from rafsight.analysis.engine import Analysis
from rafsight.verbs.scan.inventory import keep_wanted, take_inventory

WITHOUT_GROUP = {"batch"}
"""Of those that nobody owns. Syft makes a group of a main class, a module or the artifact itself where none is said, and
so names packages that no registry has (`org.apache.catalina.startup.Bootstrap:bootstrap`); we say none."""

OTHER_GROUPS = {"checker-qual": "org.checkerframework"}
"""What we know better: Syft takes the name of the module."""

UNKNOWN = "UNKNOWN"
"""What Syft calls the version of an archive that tells none."""


@needs_shared
def test_java_like(realistic_image, tmp_path):
    layout = realistic_image("java-like")
    theirs, places = {}, set()
    for one in run_syft(layout, tmp_path)["artifacts"]:
        if one["type"] == "java-archive":
            version = "" if one["version"] == UNKNOWN else one["version"]
            theirs[one["name"], version] = one["purl"].partition("@")[0].split("/")[1]
            places.add(one["metadata"]["virtualPath"].lstrip("/").encode())
    with rafsight.open_image(f"oci:{layout}", keep=keep_wanted(Analysis().wanted_patterns())) as image:
        found = [item for item in take_inventory(image).components if item.ecosystem == "maven"]
    ours = {(item.name.rpartition(":")[2], item.version): item for item in found}
    assert set(ours) == set(theirs)
    for (artifact, version), item in ours.items():
        group = item.name.rpartition(":")[0]
        if group:
            assert group == OTHER_GROUPS.get(artifact, theirs[artifact, version])
        else:
            assert item.owned_by or artifact in WITHOUT_GROUP
    inside = {path for item in found for path in item.locations if b".jar:BOOT-INF/" in path}
    assert inside == {place for place in places if b".jar:BOOT-INF/" in place}
    assert len(inside) > 10
