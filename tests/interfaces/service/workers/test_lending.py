"""Credentials in memory: few, for a while, and never in words."""

from rafsight.interfaces.service.workers import lending as module
from rafsight.interfaces.service.workers.lending import Lending, Lent
from rafsight.interfaces.service.workers.process import worker_environment
from rafsight.interfaces.service.workers.task import ScanPlace, ScanTask, decode_task, encode

LENT = Lent(username="robot", password="s3cret")


def test_a_credential_is_there_until_it_is_forgotten():
    lending = Lending()
    assert lending.find("a") is None
    lending.lend("a", LENT)
    lending.lend("b", LENT)
    assert lending.find("a") == LENT
    lending.forget("a", "nobody")
    assert lending.find("a") is None
    assert lending.held() == ("b",)
    assert len(lending) == 1


def test_it_is_forgotten_after_a_while():
    now = [0.0]
    lending = Lending(hold=10, clock=lambda: now[0])
    lending.lend("a", LENT)
    now[0] = 9
    lending.lend("b", LENT)
    assert lending.find("a") == LENT
    now[0] = 10
    assert lending.find("a") is None
    assert lending.find("b") == LENT


def test_there_is_a_limit_to_how_many_and_how_long():
    lending = Lending()
    for number in range(module.MOST + 1):
        lending.lend(str(number), LENT)
    assert lending.find("0") is None
    assert len(lending) == module.MOST
    lending.lend("long", Lent(password="x" * (module.SECRET_LENGTH + 1)))
    assert lending.find("long") is None


def test_nothing_that_is_printed_has_a_secret():
    place = ScanPlace(registry="r", repository="a", username="robot", password="s3cret")
    task = ScanTask(job_id="j", digest="d", scanners=(), declared=False, platform="", places=(place,))
    for value in (LENT, place, task):
        assert "s3cret" not in repr(value)
        assert "robot" not in repr(value)
    assert decode_task(encode(task)) == task


def test_workers_get_no_passwords_of_the_environment():
    found = worker_environment(
        {"PATH": "/bin", "PYTHONPATH": "/x", "LC_ALL": "C", "PGPASSWORD": "s3cret", "RAFSIGHT_TOKEN": "s3cret"}
    )
    assert found == {"PATH": "/bin", "PYTHONPATH": "/x", "LC_ALL": "C"}
