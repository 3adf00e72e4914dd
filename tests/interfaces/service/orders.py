"""Orders, reports and failures for the tests."""

from rafsight.interfaces.service.jobs.model import Failure, NewReport, Order, Place, Summary

REGISTRY = "registry.example:5000"


def digest(number):
    return f"sha256:{number:064x}"


def place(number=1, *, repository="team/app", tag="", registry=REGISTRY):
    return Place(registry=registry, repository=repository, digest=digest(number), tag=tag)


def order(number=1, *, repository="team/app", tag="", **more):
    return Order(place=place(number, repository=repository, tag=tag), **more)


def new_report(number=1, *, content=b"report", database="sha256:db1", version=None, read=None, **numbers):
    import rafsight

    return NewReport(
        content=content,
        summary=Summary(**numbers),
        digest=digest(number),
        read_digest=digest(number if read is None else read),
        database_digest=database,
        version=rafsight.__version__ if version is None else version,
    )


PASSING = Failure(code="registry-unreachable", message="it was not there", is_permanent=False)
LASTING = Failure(code="not-found", message="there is none", remedy="Push it.", is_permanent=True)
