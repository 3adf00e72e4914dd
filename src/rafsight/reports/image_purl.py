"""Package URLs of images: `pkg:oci/NAME@DIGEST?...`.

This module alone decides what an image is called in SBOMs, and by which names VEX documents may mean it.
"""

from urllib.parse import quote

from rafsight.reports.document import ImageFacts


def image_purl(image: ImageFacts) -> str:
    """Name an image; empty for one without a digest and a repository, such as a file."""
    repository = repository_of(image)
    digest = image.index_digest or image.manifest_digest
    if not repository or not digest:
        return ""
    name = repository.rpartition("/")[2].lower()
    qualifiers = {
        "arch": image.platform.partition("/")[2].partition("/")[0],
        "repository_url": repository,
        "tag": image.repo_tags[0].rpartition(":")[2] if image.repo_tags else "",
    }
    tail = "&".join(f"{key}={quote(value, safe='')}" for key, value in qualifiers.items() if value)
    return f"pkg:oci/{quote(name, safe='')}@{quote(digest, safe='')}{'?' if tail else ''}{tail}"


def repository_of(image: ImageFacts) -> str:
    """Return the repository that an image lies in, without tag and digest; empty if it lies in none."""
    if image.repo_digests:
        return image.repo_digests[0].partition("@")[0]
    return image.repo_tags[0].rpartition(":")[0] if image.repo_tags else ""
