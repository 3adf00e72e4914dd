"""`docker-credential-NAME get`: a program that knows a secret.

This module alone runs it: time and output are bounded, its standard error is thrown away, nothing it says is quoted.
"""

import re
import selectors
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final, Protocol

from rafsight.access.registry.credentials import Credentials
from rafsight.access.registry.errors import CredentialHelperFailed
from rafsight.base.units import KiB

TIME_LIMIT: Final = 30.0
"""[s] a helper may take: some ask the person for a password."""
_LARGEST_ANSWER: Final = 64 * KiB
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_NOT_FOUND: Final = b"credentials not found"
"""What every helper prints for an unknown registry (docker-credential-helpers, protocol)."""
_IDENTITY: Final = "<token>"


class _Failed(Protocol):
    def __call__(self, *, why: str) -> CredentialHelperFailed: ...


def ask_helper(
    name: str, host: str, *, file: Path, search_path: str, environ: Mapping[str, str], time_limit: float = TIME_LIMIT
) -> Credentials | None:
    """Ask a helper for the credentials of a registry; None if it has none.

    Args:
        name: the helper's name as the file has it.
        host: what the helper knows the registry by.
        file: who names the helper.
        search_path: PATH.
        environ: the helper's environment.
        time_limit: [s]
    Raises: CredentialHelperFailed.
    Cost: One process.
    """

    def failed(*, why: str) -> CredentialHelperFailed:
        return CredentialHelperFailed(helper=name, file=str(file), host=host, why=why)

    if not _NAME.match(name):
        raise failed(why="it is not the name of a program")
    program = shutil.which(f"docker-credential-{name}", path=search_path)
    if program is None:
        raise failed(why="there is no such program on PATH")
    try:
        process = subprocess.Popen(  # noqa: S603 - the person's own configuration names it, as for docker
            [program, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
        )
    except OSError as error:
        raise failed(why=error.strerror or "it cannot be started") from None
    with process:
        try:
            answer = _converse(process, host, time.monotonic() + time_limit)
        except TimeoutError:
            raise failed(why=f"it did not answer within {time_limit:g} s") from None
        finally:
            if process.poll() is None:
                process.kill()
        status = process.wait()
    if status != 0:
        if _NOT_FOUND in answer.lower():
            return None
        raise failed(why=f"it ended with status {status}")
    return _parse(answer, failed, source=f"docker-credential-{name}")


def _converse(process: subprocess.Popen[bytes], host: str, until: float) -> bytes:
    """Write the host, read the bounded answer, wait for the end."""
    stdin, stdout = _pipe(process.stdin), _pipe(process.stdout)
    try:
        stdin.write(host.encode())  # shorter than a pipe's buffer: does not block
        stdin.close()
    except BrokenPipeError:
        pass  # it did not want to know; what it says decides
    answer = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while len(answer) <= _LARGEST_ANSWER:
            if not selector.select(max(until - time.monotonic(), 0.0)):
                raise TimeoutError
            piece = stdout.read1(_LARGEST_ANSWER)  # type: ignore[attr-defined]  # a BufferedReader
            if not piece:
                break
            answer += piece
    if len(answer) <= _LARGEST_ANSWER:
        try:
            process.wait(max(until - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
    return bytes(answer)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # PIPE was asked for
    return stream


def _parse(answer: bytes, failed: "_Failed", *, source: str) -> Credentials:
    import msgspec

    from rafsight.access.registry import wire

    try:
        if len(answer) > _LARGEST_ANSWER:
            raise failed(why="it answers more than a secret can be")
        content = msgspec.json.decode(answer, type=wire.HelperAnswer)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise failed(why="its answer is not the JSON that helpers print") from None
    username, secret = content.username or "", content.secret or ""
    if not secret:
        raise failed(why="its answer holds no secret")
    if username in ("", _IDENTITY):
        return Credentials(source=source, identity_token=secret)
    return Credentials(source=source, username=username, password=secret)
