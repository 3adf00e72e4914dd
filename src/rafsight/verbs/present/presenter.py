"""The presenting registry: a registry's images, each Nydus image as a plain one, for whoever asks as OCI clients do.

This module alone decides what is refused before anybody is asked. It knows no server: who has one hands over requests.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rafsight.access.options import Options
from rafsight.access.registry.errors import RegistryDenied
from rafsight.access.registry.relay import Relay
from rafsight.base.errors import Defect, RafsightError
from rafsight.base.events import Listener, Noticed, silent
from rafsight.base.text import printable
from rafsight.verbs.present.answers import Answer, Body, Passing, error_answer, fault_answer
from rafsight.verbs.present.making import Maker
from rafsight.verbs.present.pages import Pages
from rafsight.verbs.present.routes import Route, check_query, parse_route
from rafsight.verbs.present.statistics import Counter, PresentStatistics
from rafsight.verbs.present.upstream import Client, Upstream
from rafsight.views.presenting.recipe import recipe_for
from rafsight.views.presenting.shelf import Shelf
from rafsight.views.presenting.shown import ShownImages

_FOLDER = "presented"


class Presenter:
    """The images of one registry, shown as plain ones. Thread-safe.

    A client's Authorization is used for the registry; without one, nothing is shown to it, or this machine's logins if
    `own_login`. What was made is kept in the cache folder, by digest; the same image gives the same digests everywhere.
    """

    def __init__(
        self,
        upstream: str,
        *,
        content: str = "all",
        platform: str = "",
        own_login: bool = False,
        room: int | None = None,
        options: Options | None = None,
        listener: Listener = silent,
    ) -> None:
        """Ask nothing yet.

        Args:
            upstream: `HOST[:PORT]` of the registry.
            content: what layers hold: what a scanner looks at (`trivy`, `grype`, `syft`, `osv-scanner`), what any of
                them does (`all`), or everything (`full`).
            platform: of the Nydus images of an index that are shown; empty: all of them.
            own_login: use this machine's logins for clients that show nothing.
            room: [bytes] that layers may take on disk; None: 20 GiB, or half of what is free if that is less.
            options: how to reach the registry, and the cache folder; without one, layers lie in a temporary folder.
            listener: told about images that cannot be shown.
        Raises: NoSuchRules, MalformedPlatform, UnusableUpstream, Offline.
        """
        self._temporary: Path | None = None
        self._listener = listener
        options = options or Options()
        recipe = recipe_for(content, platform)
        self._relay = Relay(upstream, options, own_login=own_login)
        if options.cache_dir is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="rafsight-present-"))
        folder = (options.cache_dir or self._temporary or Path()) / _FOLDER
        shelf = Shelf(folder, room)
        shelf.tidy()
        passage = Upstream(self._relay)
        self._maker = Maker(
            relay=self._relay,
            upstream=passage,
            recipe=recipe,
            shelf=shelf,
            images=ShownImages(folder, recipe.key),
            options=options,
        )
        self._pages = Pages(self._maker, passage, recipe.name)

    def check(self) -> None:
        """Find out whether the registry is there. A client's first question does so, too.

        Raises: RegistryFault.
        """
        self._relay.settle()

    def answer(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> Answer:
        """Answer a request; an error is an answer, too. Whoever takes the answer closes its body.

        Args:
            method: of HTTP.
            path: decoded.
            query: as it came, without the question mark.
            headers: names in lower case.
        Cost: what the question costs; may take as long as an image takes to be made.
        """
        client = Client(method=method, headers=tuple(headers.items()), query=query)
        try:
            answer = self._answer(client, path)
        except RafsightError as error:
            answer = self._failed(error, path)
        except Exception as error:  # noqa: BLE001 - the last net: one client's trouble, not everybody's
            answer = self._failed(Defect(what=f"{type(error).__name__}: {error}"), path)
        self._maker.counter.add(requests=1, failed=int(answer.status >= 500))
        return replace(answer, body=_Counted(body=answer.body, counter=self._maker.counter))

    @property
    def statistics(self) -> PresentStatistics:
        """What it did so far."""
        numbers, cost = self._maker.counter.numbers, self._relay.meter.cost
        return replace(
            numbers,
            bytes_fetched=numbers.bytes_fetched + cost.bytes_fetched,
            registry_requests=numbers.registry_requests + cost.requests,
        )

    def close(self) -> None:
        """End what is being made, and close the connections."""
        self._maker.close()
        self._relay.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _answer(self, client: Client, path: str) -> Answer:
        if client.method not in ("GET", "HEAD"):
            message = f"this registry only shows the images of {self._relay.host}: push there"
            return error_answer(405, "UNSUPPORTED", message, headers=(("Allow", "GET, HEAD"),))
        route = parse_route(path)
        if not isinstance(route, Route):
            return route
        refusal = check_query(client.query)
        if refusal is not None:
            return refusal
        try:
            return self._pages.answer(client, route)
        except RegistryDenied as error:
            self._tell(error, path)
            return self._pages.refused(client, route.repository)

    def _failed(self, error: RafsightError, path: str) -> Answer:
        self._tell(error, path)
        return fault_answer(error)

    def _tell(self, error: RafsightError, path: str) -> None:
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
        self._listener(Noticed(message=f"{printable(path, 300)} was not answered: {error}{notes}"))


@dataclass(slots=True, kw_only=True)
class _Counted:
    """A body whose bytes are counted on their way out."""

    body: Body
    counter: Counter

    def pieces(self) -> Iterator[bytes]:
        """Yield the pieces."""
        passed = isinstance(self.body, Passing)
        try:
            for piece in self.body.pieces():
                self.counter.add(bytes_served=len(piece), bytes_passed=len(piece) if passed else 0)
                yield piece
        except OSError:
            self.counter.add(failed=1)
            raise

    def close(self) -> None:
        """Close the body."""
        self.body.close()
