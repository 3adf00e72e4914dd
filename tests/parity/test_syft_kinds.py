"""Small samples of every kind of package file: the same packages as Syft finds in them, every difference explained."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.analysis import kinds
from tests.analysis.support import Tree

from rafsight.analysis.engine import Analysis

BY_NAME = "Syft gives it no package URL"
NOT_READ = "a kind of file that Syft does not read"
ITSELF = "the project itself, or a folder of it: not a package"

INSTALLED_OURS = {
    "pkg:alpm/openssl@1:3.2.1-1?arch=x86_64": BY_NAME,
    "pkg:deb/busybox@1.36.1-1?arch=x86_64": BY_NAME,
    "pkg:deb/libopenssl3@3.0.13-1?arch=x86_64": BY_NAME,
    "pkg:wordpress-plugin/akismet@5.3.1": BY_NAME + ", and calls it by its title; its folder is its name elsewhere",
    "pkg:wordpress-plugin/hello@1.7.2": "Syft looks for plugins in folders only",
    "pkg:wordpress-theme/twentytwentyfour@1.1": NOT_READ,
    "pkg:generic/wordpress@6.5.2": NOT_READ,
    "pkg:composer/symfony/console@v5.4.1": "the standard wants small letters",
    "pkg:conan/openssl@1.1.1w": "`_` stands for no user and no channel",
    "pkg:conda/numpy@1.26.4?build=py311h64a7726_0&channel=conda-forge&subdir=linux-64": NOT_READ,
    "pkg:cpan/HTTP-Tiny@0.088": NOT_READ,
    "pkg:pear/Archive_Tar2@1.4.14": NOT_READ,
    "pkg:nuget/Microsoft.NETCore.App.Runtime.linux-x64@8.0.3": "Syft passes over shared frameworks",
    "pkg:maven/org.apache/commons-text@1.9": "Syft does not take this name for that of a bill of materials",
    "pkg:npm/%40a/inner@2": "the same bill",
}
INSTALLED_SYFTS = {
    "pkg:composer/Symfony/Console@v5.4.1": "the standard wants small letters",
    "pkg:conan/_/openssl@1.1.1w?channel=_": "`_` stands for no user and no channel",
    "pkg:nuget/MyApp@1.0.0": ITSELF,
    "pkg:nuget/Microsoft.NETCore.Targets@1.1.0": "brings no file along; later versions of Syft drop it, too",
}
DECLARED_OURS = {
    "pkg:npm/%40babel/core@7.0.0": "of development; later versions of Syft have it, too",
    "pkg:npm/chalk@5.3.0": NOT_READ,
    "pkg:npm/%40a/b@1.0.0": NOT_READ,
    "pkg:composer/phpunit/phpunit@9.5.0": "of development",
    "pkg:conan/boost@1.75.0?channel=stable&user=me": "user and channel are qualifiers",
    "pkg:conan/cmake@3.26.0": "what builds is listed, too",
    "pkg:conda/numpy@1.26.4?build=py311h64a7726_0": NOT_READ,
    "pkg:conda/scipy@1.10": NOT_READ,
    "pkg:cran/dplyr@1.1.4": NOT_READ,
    "pkg:gem/nokogiri@1.15.4": "the platform is no part of the version",
    "pkg:julia/Dates@1.9.0?uuid=ade2ca70-3891-5945-98fb-dc099432e06a": NOT_READ,
    "pkg:julia/JSON@0.21.4?uuid=682c06a0-de6a-54ab-a142-c8b1cf79cde6": NOT_READ,
    "pkg:cocoapods/Firebase@8.1.0": "a part of a pod is the pod",
    "pkg:maven/a.b/c@1.0": NOT_READ,
    "pkg:nuget/FAKE@5.16": NOT_READ,
    "pkg:nuget/Newtonsoft.Json@12.0.1": NOT_READ,
    "pkg:nuget/Newtonsoft.Json@13.0.1": NOT_READ,
    "pkg:nuget/Serilog@2.10.0": NOT_READ,
    "pkg:pypi/certifi@2022.9.14": "`===` fixes a version, too",
    "pkg:pypi/pytest@7.0.0": "of development",
    "pkg:swift/github.com/Alamofire/Alamofire@5.4.3": "the repository is the name",
}
DECLARED_SYFTS = {
    "pkg:cargo/demo@0.1.0": ITSELF,
    "pkg:cocoapods/Firebase/Core@8.1.0": "a part of a pod is the pod",
    "pkg:cocoapods/Firebase/CoreOnly@8.1.0": "a part of a pod is the pod",
    "pkg:conan/me/boost@1.75.0?channel=stable": "user and channel are qualifiers",
    "pkg:gem/demo@1.0.0": ITSELF,
    "pkg:gem/nokogiri@1.15.4-x86_64-linux": "the platform is no part of the version",
    "pkg:golang/../local": ITSELF,
    "pkg:hex/own@//github.com/x/own.git": "a repository has no version",
    "pkg:hex/own@abc": "a repository has no version",
    "pkg:maven/com.example/demo@1.0": ITSELF,
    "pkg:npm/demo@0.0.0-use.local": ITSELF,
    "pkg:npm/demo@1.0.0": ITSELF,
    "pkg:npm/own@file:../own": ITSELF,
    "pkg:npm/styled@5.3.0_react%4017.0.2": "with the names of its peers",
    "pkg:npm/ws": ITSELF,
    "pkg:npm/ws@9.9.9": ITSELF,
    "pkg:pub/flutter@0.0.0": "a part of the SDK",
    "pkg:pypi/certifi@=2022.9.14": "`===` fixes a version, too",
    "pkg:pypi/own": ITSELF,
    "pkg:pypi/own@0.1.0": ITSELF,
    "pkg:swift/github.com/Alamofire/Alamofire.git/Alamofire@5.4.3": "the repository is the name",
    "pkg:swift/github.com/Alamofire/Alamofire.git/alamofire@5.4.3": "the repository is the name",
}


def syfts(files, folder, catalogers):
    for path, content in files.items():
        target = folder / "tree" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    output = folder / "syft.json"
    program = Path(sys.executable).with_name("syft")
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false", "HOME": str(folder)}
    command = [
        str(program),
        "scan",
        f"dir:{folder / 'tree'}",
        "--quiet",
        "--output",
        f"syft-json={output}",
        *catalogers,
    ]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return {one["purl"] for one in json.loads(output.read_text())["artifacts"] if one["purl"]}


def ours(files, *, declared):
    tree = Tree({path.encode(): content for path, content in files.items()})
    analysis = Analysis(declared=declared)
    while requests := analysis.plan_wave(tree.find):
        for request in requests:
            content = tree.content(request.row)
            analysis.feed(request.row, [(offset, content[offset : offset + size]) for offset, size in request.ranges])
    return {component.purl for component in analysis.finish().components}


@pytest.mark.parametrize(
    ("files", "declared", "catalogers", "only_ours", "only_syfts"),
    [
        (
            kinds.INSTALLED,
            False,
            [
                "--override-default-catalogers",
                "image",
                "--select-catalogers",
                "+sbom-cataloger,+dotnet-deps-cataloger,+erlang-otp-application-cataloger,+opam-cataloger",
            ],
            INSTALLED_OURS,
            INSTALLED_SYFTS,
        ),
        (kinds.DECLARED, True, ["--override-default-catalogers", "directory"], DECLARED_OURS, DECLARED_SYFTS),
    ],
    ids=["installed", "declared"],
)
def test_samples_of_every_kind(tmp_path, files, declared, catalogers, only_ours, only_syfts):
    expected = syfts(files, tmp_path, catalogers)
    found = ours(files, declared=declared)
    assert found - expected == set(only_ours)
    assert expected - found == set(only_syfts)
