"""Whether all who take part ask the same advisories."""

from pathlib import Path

from rafsight.base.errors import ExitStatus, HostLimit
from rafsight.matching.store import open_database


class OtherAdvisories(HostLimit):
    """A worker of a cluster has another advisory database than we do."""

    code = "other-advisories"
    template = "the advisory database {path} is another one than that of who asks"
    remedy = "Bring the same file to all workers, under the same path: `rafsight db update` there, or a shared folder."
    exit_status = ExitStatus.DATABASE


def digest_of_advisories(database: Path) -> str:
    """Return the digest of what a database has.

    Raises: NoDatabase, DatabaseDamaged.
    """
    with open_database(database) as advisories:
        return advisories.status().digest


def check_advisories(database: Path | None, digest: str) -> None:
    """Make sure that a database has what a digest says.

    Args:
        database: None: none is asked.
        digest: as `digest_of_advisories` gave it.
    Raises: NoDatabase, DatabaseDamaged, OtherAdvisories.
    """
    if database is not None and digest_of_advisories(database) != digest:
        raise OtherAdvisories(path=str(database))
