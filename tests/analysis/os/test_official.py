import pytest

from rafsight.analysis.os.official import is_official_maintainer, is_official_vendor


@pytest.mark.parametrize(
    ("maintainer", "official"),
    [
        ("Debian OpenSSL Team <pkg-openssl-devel@alioth-lists.debian.net>", True),
        ("Debian Nginx Maintainers <pkg-nginx-maintainers@alioth-lists.debian.net>", True),
        ("Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>", True),
        ("Christian Somebody <cs@googlemail.com>", True),
        ("Team from Hong Kong-Pages <x@example.org>", False),
        ("", True),
        ("Docker <support@docker.com>", False),
        ("NVIDIA CORPORATION <cudatools@nvidia.com>", False),
        ("Google Cloud CLI Authors <https://code.google.com/p/google-cloud-sdk/>", False),
        ("NodeSource Support <support@nodesource.com>", False),
        ("NGINX Packaging <nginx-packaging@f5.com> nginx.org", False),
        ("Microsoft <dpkg@microsoft.com>", False),
        ("GitHub CLI <cli@github.com>", False),
    ],
)
def test_maintainers(maintainer, official):
    assert is_official_maintainer(maintainer) is official


@pytest.mark.parametrize(
    ("vendor", "official"),
    [
        ("Red Hat, Inc.", True),
        ("AlmaLinux", True),
        ("Rocky Enterprise Software Foundation", True),
        ("SUSE LLC <https://www.suse.com/>", True),
        ("openSUSE", True),
        ("Amazon Linux", True),
        ("Fedora Project", True),
        ("NodeSource", False),
        ("Redhatter", False),
        ("", False),
    ],
)
def test_vendors(vendor, official):
    assert is_official_vendor(vendor) is official
