"""Indexes as the public API has them."""

import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from rafsight.access.options import Options
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.events import Listener, Noticed, silent
from rafsight.hunt.calling import Manner
from rafsight.hunt.corpus import Corpus, check_corpus
from rafsight.hunt.hunts import Hunts
from rafsight.hunt.index.answering import Answering
from rafsight.hunt.index.compacting import KEEP_GONE, Compaction, compact
from rafsight.hunt.index.duck import open_duck
from rafsight.hunt.index.generations import read_newest
from rafsight.hunt.index.hands import Desk, call_hands
from rafsight.hunt.index.manifest import Manifest
from rafsight.hunt.index.places import find_place
from rafsight.hunt.index.reading import QueryResult, open_index
from rafsight.hunt.index.snapshot import NoSuchIndex, Shelf, read_snapshot
from rafsight.hunt.index.updating import IndexExists, Update, join
from rafsight.hunt.question import PackageQuestion, make_question, read_file_question
from rafsight.reports.hunting import HuntAnswer, HuntFailure, HuntTally
from rafsight.reports.indexing import IndexStatus, UpdateResult


class NotInIndex(CallerError):
    """An index does not have what a question needs."""

    code = "not-in-index"
    template = "{option} cannot be answered from an index: it has metadata of files, and not their content"
    remedy = "Leave --index out to ask the images; equal contents: rafsight index query, column `content`."
    exit_status = ExitStatus.USAGE


class FleetIndex:
    """The file tables of many images, in a folder or at a URL. Not safe to share between threads.

    images = rafsight.Hunts()
    images.add_registry("registry.example.com", repositories="team/**")
    index = rafsight.FleetIndex("s3://bucket/fleet")
    index.build(images)
    with index.query("SELECT reference, path FROM files WHERE name = 'xz'") as result:
        print(result.columns, list(result.rows))
    for answer in index.ask(paths=["/usr/lib/**/liblzma.so.5.6.*"]):
        print(answer.names)
    """

    def __init__(
        self,
        url: str,
        *,
        options: Options | None = None,
        listener: Listener = silent,
    ) -> None:
        """Name an index; nothing is asked of it yet.

        Args:
            url: a folder, or a URL that fsspec knows.
            options: its cache keeps copies of the tables of a distant index.
            listener: told about what is lost.
        Raises: NoFsspec, UnknownIndexUrl.
        """
        self._url = url
        self._place = find_place(url)
        self._options = options or Options()
        self._listener = listener
        self._answering: Answering | None = None

    def build(self, images: Hunts) -> UpdateResult:
        """Take the file tables of images, where there is no index yet.

        Args:
            images: which, and how they are reached; the workers of a cluster write where the index lies.
        Raises: NoImages, SeveralRegistries, IndexExists; IndexUnreachable, NoDuckDb, NoScratch; of a cluster NoDask,
            ClusterUnreachable, OtherRelease, WorkerUnfit, NotShared, ClusterLost. What fails about an image is in the
            result.
        Cost: a request for each name, one for each distinct bootstrap; a plain image costs its layers.
        """
        return self._update(images.manner, None, images.corpus, all_platforms=images.all_platforms)

    def update(self, images: Hunts, *, verify: bool = False) -> UpdateResult:
        """Bring the index up to date.

        Args:
            images: which, and how they are reached; where none is named, all that it was built of. Whether every image
                of an image index is taken was decided when it was built.
            verify: look into every table, and take again what lay in those that are damaged.
        Raises: as `build`; NoSuchIndex, DamagedIndex, NewerIndex, BusyIndex.
        Cost: a request for each name; one for each bootstrap that the index does not have.
        """
        manifest = self._newest()
        named = manifest.corpus if images.corpus.is_empty else images.corpus
        return self._update(images.manner, manifest, named, all_platforms=manifest.all_platforms, verify=verify)

    def compact(self, *, keep_gone: int = KEEP_GONE) -> Manifest | None:
        """Put all trees into few parts, and forget images that are gone for long.

        Args:
            keep_gone: [s] that images stay after they are gone.
        Returns: the new generation; None if another writer came in between, and nothing was changed.
        Raises: NoSuchIndex, IndexUnreachable, DamagedIndex, NewerIndex, BusyIndex, NoDuckDb, NoScratch.
        Cost: reads and writes the index.
        """
        return self._compact(Compaction(keep_gone=keep_gone))

    def status(self) -> IndexStatus:
        """Say what the index is made of.

        Raises: NoSuchIndex, IndexUnreachable, DamagedIndex, NewerIndex, NoDuckDb.
        Cost: the tables of images and trees, not of entries.
        """
        manifest = self._newest()
        with tempfile.TemporaryDirectory(prefix="rafsight-index-") as scratch, open_duck() as connection:
            shelf = Shelf(self._place, self._options.cache_dir, Path(scratch))
            snapshot = read_snapshot(self._place, shelf, connection, manifest, entries=False)
        live, known = snapshot.live_images, snapshot.known_trees
        return IndexStatus(
            place=self._place.name,
            generation=manifest.generation,
            written_at=manifest.written_at,
            images=len(live),
            gone=len(snapshot.images) - len(live),
            failed=sum(row.tree not in known for row in live),
            trees=len(known),
            entries=sum(part.entries.rows for part in manifest.parts),
            parts=len(manifest.parts),
            lost_parts=len(snapshot.lost),
            size=manifest.size,
        )

    @contextmanager
    def query(self, sql: str) -> Iterator[QueryResult]:
        """Ask in SQL: one SELECT over images, trees, entries, spans and files; no registry is asked.

        Args:
            sql: as DuckDB takes it; it can reach nothing but the index.
        Raises: BadQuery, QueryTooLarge, also while rows are taken; NoSuchIndex, IndexUnreachable, DamagedIndex,
            NewerIndex, NoDuckDb.
        Cost: tables that are not at hand are fetched; a pass over all of them.
        """
        with open_index(self._place, cache_dir=self._options.cache_dir, listener=self._listener) as opened:
            yield opened.query(sql)

    @property
    def failures(self) -> tuple[HuntFailure, ...]:
        """The images that have no answer, of the last question."""
        return self._answering.failures if self._answering else ()

    @property
    def tally(self) -> HuntTally | None:
        """What was done for the last question so far; None before its first answer."""
        return self._answering.tally if self._answering else None

    def ask(
        self,
        images: Hunts | None = None,
        *,
        paths: Sequence[bytes] = (),
        names: Sequence[bytes] = (),
        kinds: str = "",
        size: str = "",
        mode: str = "",
        xattr: bytes = b"",
        sha256: Sequence[str] = (),
        **others: object,
    ) -> Generator[HuntAnswer, None, None]:
        """Ask for files by their metadata, as `Hunts.ask`, without a registry.

        Args:
            images: ask only those that are named there; None, or none named: all.
            paths: globs, one of which has to name the path of a file.
            names: globs, one of which has to name its last part.
            kinds: letters of `find -type` with commas between.
            size: `N`, `MIN..MAX`.
            mode: as `find -perm`.
            xattr: a glob for the name of an extended attribute.
            sha256: digests of whole contents; of files whose SHA-256 the index does not know, it is said how many.
            others: what else `Hunts.ask` takes; it has to be empty.
        Returns: The answers in the order of the names; `close` ends early.
        Raises: MalformedQuestion, EmptyQuestion, BadGlob, NotInIndex; while answers come as `query`.
        Cost: as `query`.
        """
        for option, value in others.items():
            if value:
                raise NotInIndex(option=_OPTIONS.get(option, f"--{option}"))
        files = read_file_question(
            paths=paths, names=names, kinds=kinds, size=size, mode=mode, xattr=xattr, sha256=sha256
        )
        self._answering = Answering(make_question(files, PackageQuestion()), images.corpus if images else Corpus())
        return self._ask(self._answering)

    def _ask(self, answering: Answering) -> Generator[HuntAnswer, None, None]:
        with open_index(self._place, cache_dir=self._options.cache_dir, listener=self._listener) as opened:
            yield from answering.answers(opened)

    def _newest(self) -> Manifest:
        manifest = read_newest(self._place)
        if manifest is None:
            raise NoSuchIndex(place=self._place.name)
        return manifest

    def _update(
        self,
        manner: Manner,
        manifest: Manifest | None,
        corpus: Corpus,
        *,
        all_platforms: bool,
        verify: bool = False,
    ) -> UpdateResult:
        check_corpus(corpus, manner.options)
        if manifest is None and read_newest(self._place) is not None:
            raise IndexExists(place=self._place.name)
        with self._desk() as desk, call_hands(manner, desk, all_platforms=all_platforms) as hands:
            before = None
            if manifest is not None:
                before = read_snapshot(self._place, desk.shelf, desk.connection, manifest, entries=verify, mends=verify)
                if before.are_images_lost:
                    what = "the table of images was damaged: all are looked up again, those that had gone are forgotten"
                    manner.listener(Noticed(message=f"the index at {self._place.name}: {what}"))
                    corpus = join(manifest.corpus, corpus)
            update = Update(desk=desk, hands=hands, corpus=corpus, all_platforms=all_platforms, before=before)
            result = update.run()
        compacted = self._compact(Compaction(only_small=True))
        return replace(result, size=compacted.size) if compacted else result

    @contextmanager
    def _desk(self) -> Iterator[Desk]:
        with tempfile.TemporaryDirectory(prefix="rafsight-index-") as scratch, open_duck() as connection:
            shelf = Shelf(self._place, self._options.cache_dir, Path(scratch))
            yield Desk(place=self._place, url=self._url, shelf=shelf, connection=connection, scratch=Path(scratch))

    def _compact(self, how: Compaction) -> Manifest | None:
        with self._desk() as desk:
            return compact(self._place, desk.shelf, desk.connection, desk.scratch, how)


_OPTIONS: Final = {"max_file_size": "--max-file-size", "advisories": "--advisory"}
