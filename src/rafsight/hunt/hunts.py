"""Hunts as the public API has them: images are collected, then they are asked one question."""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

from rafsight.access.fetch import threads
from rafsight.access.fleet import Fleet
from rafsight.access.options import Options
from rafsight.access.pace import Pace
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.events import Listener, silent
from rafsight.hunt.campaign import Campaign
from rafsight.hunt.claims import Claims
from rafsight.hunt.cluster import Cluster
from rafsight.hunt.corpus import Corpus, RegistryWish, check_hosts, read_list, whole_path
from rafsight.hunt.inventories import Inventories
from rafsight.hunt.looker import Looker, open_store
from rafsight.hunt.looking import Asking, make_asking
from rafsight.hunt.question import make_question, parse_package, read_file_question
from rafsight.hunt.spreading import Threads
from rafsight.hunt.state import State
from rafsight.hunt.terms import HuntTerms, make_terms
from rafsight.hunt.work import Crew, LocalCrew
from rafsight.reports.hunting import HuntAnswer, HuntFailure, HuntTally

JOBS: Final = 8
"""Images at the same time: on two cores enough to hide the way to a registry."""
_AHEAD: Final = 4
"""Pieces of work for each thread that wait for it."""


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
        cluster: Cluster | None = None,
    ) -> None:
        """Prepare; no image is named yet.

        Args:
            options: how to reach the images.
            listener: told about long work.
            jobs: images at the same time; in each worker process of a cluster.
            rate: [requests/s] that one host is asked at most; None: as often as `jobs` do. The workers of a cluster
                share it evenly.
            all_platforms: ask every image of an index, not only that of the wanted platform.
            cluster: whose workers look at the images; None: threads of this process.
        Raises: MalformedCluster.
        """
        self._options = options or Options()
        self._listener = listener
        self._jobs = jobs
        self._rate = rate
        self._all_platforms = all_platforms
        self._cluster = cluster
        self._references: list[str] = []
        self._registries: list[RegistryWish] = []
        self._campaign: Campaign | None = None
        if cluster is not None:
            cluster.check()

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
            SeveralRegistries, NoDatabase; OtherQuestion, NoState, UnusableState. While
            answers come: RegistryFault if a registry does not list its repositories, UnusableState, DatabaseDamaged;
            NoDask, ClusterUnreachable, OtherRelease, WorkerUnfit, ClusterLost.
        Cost: a request for each name, one for the bootstrap of each distinct image, and for content and packages the
            chunks of files that no other image had.
        """
        files = read_file_question(
            paths=paths,
            names=names,
            kinds=kinds,
            size=size,
            mode=mode,
            xattr=xattr,
            sha256=sha256,
            content=content,
            yara=yara,
            max_file_size=max_file_size,
        )
        question = make_question(files, parse_package(package, version, advisories))
        corpus = self._corpus()
        asking = make_asking(question, database)
        terms = make_terms(question, database, all_platforms=self._all_platforms)
        return self._run(corpus, asking, terms, State(state, terms.fingerprint))

    def _corpus(self) -> Corpus:
        """Return the images that were named.

        Raises: NoImages, SeveralRegistries.
        """
        named = tuple(map(whole_path, self._references)) if self._cluster else tuple(self._references)
        corpus = Corpus(references=named, registries=tuple(self._registries))
        if not (corpus.references or corpus.registries):
            raise NoImages
        check_hosts(corpus, self._options)
        return corpus

    def _run(self, corpus: Corpus, asking: Asking, terms: HuntTerms, state: State) -> Generator[HuntAnswer, None, None]:
        options = replace(self._options, connections=max(self._options.connections, 2 * self._jobs))
        with ExitStack() as stack:
            stack.callback(state.close)
            fetching = stack.enter_context(threads(options.connections, name="rafsight-fetch"))
            fleet = Fleet(options, pool=fetching, pace=None if self._rate is None else Pace(self._rate))
            stack.callback(fleet.close)
            working = stack.enter_context(threads(self._jobs, name="rafsight-hunt"))
            lists = Threads(pool=working, ahead=_AHEAD * self._jobs, listener=self._listener)
            crew: Crew
            if self._cluster is not None:
                crew = stack.enter_context(self._muster(self._cluster, terms, fleet))
            else:
                looker = Looker(
                    fleet=fleet,
                    asking=asking,
                    claims=Claims(state),
                    inventories=Inventories(stack.enter_context(open_store(options, self._listener))),
                    all_platforms=self._all_platforms,
                )
                crew = LocalCrew(tradesman=looker, threads=lists)
            self._campaign = Campaign(fleet=fleet, lists=lists, crew=crew, state=state)
            yield from self._campaign.run(corpus)

    def _muster(self, cluster: Cluster, terms: HuntTerms, fleet: Fleet) -> AbstractContextManager[Crew]:
        from rafsight.hunt.distant_crew import muster  # late: nobody else needs it

        return muster(
            cluster,
            "hunt",
            terms,
            options=self._options,
            jobs=self._jobs,
            rate=self._rate,
            fleet=fleet,
            listener=self._listener,
        )
