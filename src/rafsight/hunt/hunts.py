"""Hunts as the public API has them: images are collected, then they are asked one question, scanned, or indexed."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from rafsight.access.options import Options
from rafsight.base.events import Listener, silent
from rafsight.hunt.calling import JOBS, Manner, call_crew
from rafsight.hunt.campaign import Campaign
from rafsight.hunt.claims import Claims
from rafsight.hunt.cluster import Cluster
from rafsight.hunt.corpus import Corpus, RegistryWish, check_corpus, read_list, whole_path
from rafsight.hunt.inventories import Inventories
from rafsight.hunt.looker import Looker, open_store
from rafsight.hunt.looking import Asking, make_asking
from rafsight.hunt.question import make_question, parse_package, read_file_question
from rafsight.hunt.site import Site
from rafsight.hunt.state import State
from rafsight.hunt.terms import HuntTerms, make_terms
from rafsight.reports.hunting import HuntAnswer, HuntFailure, HuntTally
from rafsight.reports.scanned import ScannedImage
from rafsight.verbs.scan.terms import SECRET_BUDGET, VULNERABILITIES

if TYPE_CHECKING:
    from rafsight.hunt.scanning import FleetScanTerms
    from rafsight.hunt.scans import ScanCampaign


class Hunts:
    """Images, and the way to ask them one question, or to scan them all. Not safe to share between threads.

    A `FleetIndex` is built of them, too.

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
        self.manner = Manner(options=options or Options(), listener=listener, cluster=cluster, jobs=jobs, rate=rate)
        """How the images are reached."""
        self.all_platforms = all_platforms
        self._references: list[str] = []
        self._registries: list[RegistryWish] = []
        self._campaign: Campaign | ScanCampaign | None = None
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
    def corpus(self) -> Corpus:
        """The images that were named; for the workers of a cluster, files by their whole paths."""
        named = map(whole_path, self._references) if self.manner.cluster else self._references
        return Corpus(references=tuple(named), registries=tuple(self._registries))

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
        corpus = check_corpus(self.corpus, self.manner.options)
        asking = make_asking(question, database)
        terms = make_terms(question, database, all_platforms=self.all_platforms)
        return self._ask(corpus, asking, terms, State(state, terms.fingerprint))

    def scan(
        self,
        *,
        database: Path | None,
        scanners: Sequence[str] = (VULNERABILITIES,),
        declared: bool = False,
        licenses: bool = False,
        config: Path | None = None,
        secret_budget: int = SECRET_BUDGET,
    ) -> Generator[ScannedImage, None, None]:
        """Scan all images, each distinct one once.

        Args:
            database: as of `scan_reference`; on the workers of a cluster it lies under the same whole path.
            scanners: as of `scan_reference`.
            declared: as of `scan_reference`.
            licenses: as of `scan_reference`.
            config: as of `scan_reference`.
            secret_budget: [bytes] for each image, as of `scan_reference`.
        Returns: The images as they are done; `close` ends early.
        Raises: NoSuchScanner, MalformedConfiguration, NoDatabase, DatabaseDamaged, NoImages, SeveralRegistries. While
            images come: RegistryFault if a registry does not list its repositories; of a cluster as `ask`.
        Cost: a request for each name, and a scan of each distinct image: of one that was scanned before its manifest.
        """
        from rafsight.hunt.scanning import make_scan_terms  # late: hunts for files need no scanner

        corpus = check_corpus(self.corpus, self.manner.options)
        terms = make_scan_terms(
            database=database,
            scanners=tuple(scanners),
            declared=declared,
            licenses=licenses,
            config=config,
            secret_budget=secret_budget,
            all_platforms=self.all_platforms,
        )
        return self._scan(corpus, terms)

    def _ask(self, corpus: Corpus, asking: Asking, terms: HuntTerms, state: State) -> Generator[HuntAnswer, None, None]:
        @contextmanager
        def here(site: Site) -> Iterator[Looker]:
            with open_store(site.options, site.listener) as store:
                yield Looker(
                    fleet=site.fleet,
                    asking=asking,
                    claims=Claims(state),
                    inventories=Inventories(store),
                    all_platforms=terms.all_platforms,
                )

        with closing(state), call_crew(self.manner, "hunt", terms, here) as called:
            self._campaign = campaign = Campaign(roll=called.roll(), crew=called.crew, state=state)
            yield from campaign.run(corpus)

    def _scan(self, corpus: Corpus, terms: "FleetScanTerms") -> Generator[ScannedImage, None, None]:
        from rafsight.hunt.scanning import open_scanner
        from rafsight.hunt.scans import ScanCampaign

        with call_crew(self.manner, "scan", terms, partial(open_scanner, terms)) as called:
            self._campaign = campaign = ScanCampaign(roll=called.roll(), crew=called.crew)
            yield from campaign.run(corpus)
