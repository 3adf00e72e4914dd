"""Hunts as the public API has them: images are collected, then they are asked one question."""

import hashlib
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from rafsight._version import __version__
from rafsight.access.fetch import threads
from rafsight.access.fleet import Fleet
from rafsight.access.options import Options
from rafsight.access.pace import Pace
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.events import Listener, silent
from rafsight.base.units import parse_size
from rafsight.hunt.campaign import Campaign
from rafsight.hunt.content import Check, make_checks
from rafsight.hunt.corpus import Corpus, RegistryWish, check_hosts, read_list
from rafsight.hunt.files import make_file_asker
from rafsight.hunt.inventories import Inventories, open_inventories
from rafsight.hunt.looking import Asking
from rafsight.hunt.packages import PackageAsker
from rafsight.hunt.question import (
    FileQuestion,
    MalformedQuestion,
    Question,
    make_question,
    parse_advisory,
    parse_digest,
    parse_kinds,
    parse_mode,
    parse_package,
    parse_size_range,
)
from rafsight.hunt.state import State
from rafsight.matching.store import open_database
from rafsight.reports.hunting import HuntAnswer, HuntFailure, HuntTally
from rafsight.verbs.scan.release import release_fingerprint

JOBS: Final = 8
"""Images at the same time: on two cores enough to hide the way to a registry."""


class NoImages(CallerError):
    """No image is named."""

    code = "no-images"
    template = "no image is named"
    remedy = "Name images, or say where they are: --images FILE, --registry HOST, oci:DIR."
    exit_status = ExitStatus.USAGE


class Hunts:
    """Images, and the way to ask them one question. Not safe to share between threads.

    hunts = rafsight.Hunts()
    hunts.add_registry("registry.example.com", repositories="team/**")
    for answer in hunts.ask(paths=["/usr/lib/**/liblzma.so.5.6.*"]):
        if answer.is_match:
            print(answer.names, [file.path for file in answer.files])
    print(hunts.failures)
    """

    def __init__(
        self,
        *,
        options: Options | None = None,
        listener: Listener = silent,
        jobs: int = JOBS,
        rate: float | None = None,
        all_platforms: bool = False,
    ) -> None:
        """Prepare; no image is named yet.

        Args:
            options: how to reach the images.
            listener: told about long work.
            jobs: images at the same time.
            rate: [requests/s] that one host is asked at most; None: as often as `jobs` do.
            all_platforms: ask every image of an index, not only that of the wanted platform.
        """
        self._options = options or Options()
        self._listener = listener
        self._jobs = jobs
        self._rate = rate
        self._all_platforms = all_platforms
        self._references: list[str] = []
        self._registries: list[RegistryWish] = []
        self._campaign: Campaign | None = None

    def add(self, *references: str) -> None:
        """Name images, as `open_image` takes them; a layout without a tag means all of its tags."""
        self._references += references

    def add_list(self, source: BinaryIO, name: str) -> None:
        """Name the images of a list, one a line.

        Args:
            source: the list.
            name: what to call it.
        Raises: UnreadableList.
        """
        self._references += read_list(source, name)

    def add_registry(self, host: str, *, repositories: str = "**", tags: str = "**") -> None:
        """Name the images of a registry: all tags of all repositories that the globs name.

        Args:
            host: with its port.
            repositories: a glob; `*` stays between slashes, `**` does not.
            tags: a glob.
        """
        self._registries.append(RegistryWish(host=host, repositories=repositories, tags=tags))

    @property
    def failures(self) -> tuple[HuntFailure, ...]:
        """The images that could not be asked, of the last question."""
        return self._campaign.failures if self._campaign else ()

    @property
    def tally(self) -> HuntTally | None:
        """What was done for the last question so far; None before its first answer."""
        return self._campaign.tally if self._campaign else None

    def ask(
        self,
        *,
        paths: Sequence[bytes] = (),
        names: Sequence[bytes] = (),
        kinds: str = "",
        size: str = "",
        mode: str = "",
        xattr: bytes = b"",
        sha256: Sequence[str] = (),
        content: str = "",
        yara: str = "",
        max_file_size: str = "",
        package: str = "",
        version: str = "",
        advisories: Sequence[str] = (),
        database: Path | None = None,
        state: Path | None = None,
    ) -> Generator[HuntAnswer, None, None]:
        """Ask all images for files, for packages, or for both; the question is checked at once.

        Args:
            paths: globs, one of which has to name the path of a file.
            names: globs, one of which has to name its last part.
            kinds: letters of `find -type` with commas between: `f,l`.
            size: `N`, `MIN..MAX`, as in `1KiB..10MB`.
            mode: `4755`, `-4000`, `/6000`, as `find -perm`.
            xattr: a glob for the name of an extended attribute.
            sha256: digests of whole contents, one of which a file has to have.
            content: a regular expression for bytes (RE2) that has to be found.
            yara: the text of YARA rules, one of which has to match.
            max_file_size: of files whose content is looked into, `64MiB` if empty.
            package: a package URL; without a version it means every one.
            version: a range of its versions: `>=5.6.0,<5.6.2`.
            advisories: ids, one of which has to affect a package.
            database: with advisories, if some are named.
            state: a file that remembers answers, so that the same question goes on after an end of whatever kind.
        Returns: The answers as they come, those without a match among them; `close` ends the hunt early.
        Raises: MalformedQuestion, EmptyQuestion, BadGlob, MalformedRange, MalformedRules, NoContentEngine, NoImages,
            SeveralRegistries, NoDatabase; OtherQuestion, NoState, UnusableState. While answers come: RegistryFault if
            a registry does not list its repositories, UnusableState, DatabaseDamaged.
        Cost: a request for each name, one for the bootstrap of each distinct image, and for content and packages the
            chunks of files that no other image had.
        """
        files = FileQuestion(
            paths=tuple(paths),
            names=tuple(names),
            kinds=parse_kinds(kinds),
            size=parse_size_range(size) if size else None,
            mode=parse_mode(mode) if mode else None,
            xattr=xattr,
            digests=tuple(map(parse_digest, sha256)),
            content=content,
            yara=yara,
        )
        if max_file_size:
            files = replace(files, max_size=_parse_max(max_file_size))
        packages = replace(parse_package(package, version), advisories=tuple(map(parse_advisory, advisories)))
        question = make_question(files, packages)
        corpus = Corpus(references=tuple(self._references), registries=tuple(self._registries))
        if not (corpus.references or corpus.registries):
            raise NoImages
        check_hosts(corpus, self._options)
        asker = None if packages.is_empty else PackageAsker(packages, database)
        checks = make_checks(files)
        known = State(state, _fingerprint(question, database))
        return self._run(corpus, question, checks, asker, known)

    def _run(
        self,
        corpus: Corpus,
        question: Question,
        checks: tuple[Check, ...],
        packages: PackageAsker | None,
        state: State,
    ) -> Generator[HuntAnswer, None, None]:
        options = replace(self._options, connections=max(self._options.connections, 2 * self._jobs))
        with ExitStack() as stack:
            stack.callback(state.close)
            pool = stack.enter_context(threads(options.connections, name="rafsight-fetch"))
            pace = None if self._rate is None else Pace(self._rate)
            fleet = Fleet(options, pool=pool, pace=pace)
            stack.callback(fleet.close)
            inventories = stack.enter_context(open_inventories(options, self._listener))
            asking = Asking(
                files=None if question.files.is_empty else make_file_asker(question.files),
                checks=checks,
                packages=packages,
                take_inventory=inventories.take,
                keep_packages=Inventories.keep,
            )
            self._campaign = Campaign(
                fleet=fleet,
                asking=asking,
                state=state,
                jobs=self._jobs,
                all_platforms=self._all_platforms,
                listener=self._listener,
            )
            yield from self._campaign.run(corpus)


def _parse_max(text: str) -> int:
    size = parse_size(text)
    if size is None:
        raise MalformedQuestion(option="--max-file-size", text=text, why="write a size, as in 64MiB")
    return size


def _fingerprint(question: Question, database: Path | None) -> str:
    """Return a digest of all that answers depend on, beside the images.

    Raises: NoDatabase and others, if advisories are asked for.
    """
    running = hashlib.sha256(__version__.encode())
    running.update(msgspec.json.encode(question))
    if not question.packages.is_empty:
        running.update(release_fingerprint())
    if question.packages.advisories:
        if database is None:
            raise MalformedQuestion(
                option="--advisory", text=question.packages.advisories[0], why="no database is named"
            )
        with open_database(database) as advisories:
            running.update(advisories.status().digest.encode())
    return running.hexdigest()
