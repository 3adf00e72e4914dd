"""The search for secrets in an open image: names, then the bytes that the budget reaches, then what the image says.

This module alone ties the tree, the budget, the fetching and the search together.
"""

import time
from typing import Final

from rafsight.access.layers import Keep
from rafsight.access.session import Image
from rafsight.access.settings_file import read_settings_file
from rafsight.analysis.inventory import GapReason
from rafsight.analysis.secrets.config_texts import annotation_texts, config_texts
from rafsight.analysis.secrets.configuration import default_settings, read_settings
from rafsight.analysis.secrets.report import SecretReport
from rafsight.analysis.secrets.scan import SecretSearch
from rafsight.analysis.secrets.selection import Risk
from rafsight.base.durations import DAY
from rafsight.base.errors import ImageFault
from rafsight.base.events import Advanced, Finished, Listener, Started, silent
from rafsight.base.units import format_size
from rafsight.verbs.scan.secrets.buying import Purchase, buy, collect
from rafsight.verbs.scan.secrets.salt import installation_salt
from rafsight.verbs.scan.secrets.terms import SecretTerms

_CLASSES: Final = {
    Risk.CREDENTIALS: "files of credentials",
    Risk.KEYS: "key files",
    Risk.SETTINGS: "settings",
    Risk.TEXT: "other texts",
    Risk.SYSTEM: "settings of the system",
    Risk.ARCHIVE: "archives",
    Risk.BINARY: "binaries",
}


class SecretFinder:
    """Rules and configuration, ready for any number of images."""

    def __init__(self, terms: SecretTerms | None = None) -> None:
        """Read the configuration.

        Args:
            terms: how to search.
        Raises: ConfigurationUnreadable, MalformedConfiguration.
        """
        self._terms = terms or SecretTerms()
        file = read_settings_file(self._terms.config)
        self._settings = default_settings() if file is None else read_settings(file.content, file.name)
        self._salt = self._settings.salt or installation_salt(self._terms.cache_dir)
        self._configuration = b"" if file is None else file.content

    def depends_on(self) -> tuple[bytes, ...]:
        """Return what an answer depends on beside the image, for a key; keys and tokens expire, so the day is in it."""
        numbers = (self._terms.budget, self._terms.max_size, int(time.time()) // DAY)
        return (self._configuration, self._salt, *(str(number).encode() for number in numbers))

    def keep(self) -> Keep:
        """Tell which files of a stream the search wants: for `open_image`, so that plain layers are read once."""
        search = self._search()
        room = self._terms.budget

        def keep(path: bytes, size: int) -> bool:
            nonlocal room
            if size > room or search.choose(path, size) is None:
                return False
            room -= size
            return True

        return keep

    def find(self, image: Image, listener: Listener = silent) -> SecretReport:
        """Find the secrets of an image.

        Args:
            image: open; of plain layers with `keep`, or hidden files are not seen and others cost another pass.
            listener: told about the progress.
        Cost: one plan of reads, of at most the budget.
        """
        search = self._search()
        wanted, packaged = collect(image.tree, search.choose, search.name)
        purchase = buy(image.tree, wanted, self._terms.budget)
        for left_out in purchase.left_out:
            search.leave_out(
                f"{left_out.count} {_CLASSES[left_out.risk]}",
                f"the budget of {format_size(self._terms.budget)} for secrets is used up; "
                f"they need {format_size(left_out.price)} more",
            )
        _read_files(image, purchase, search, listener)
        _read_hidden(image, search)
        _read_config(image, search)
        return search.finish(packaged=packaged)

    def _search(self) -> SecretSearch:
        return SecretSearch(self._settings, salt=self._salt, now=int(time.time()), max_size=self._terms.max_size)


def _read_files(image: Image, purchase: Purchase, search: SecretSearch, listener: Listener) -> None:
    operation = f"secrets of {image.identity.reference}"
    files = purchase.wanted
    listener(Started(operation=operation, title="looking for secrets", total=len(files), unit="files"))
    try:
        for part in image.read([file.range for file in files]):
            file = files[part.index]
            path, *others = file.paths
            if part.error is not None:
                search.give_up(path, str(part.error))
            elif file.choice is None:
                search.read_head(path, part.content)
            else:
                search.read(path, part.content, choice=file.choice, more_paths=tuple(others))
            listener(Advanced(operation=operation, amount=1))
    finally:
        listener(Finished(operation=operation))


def _read_hidden(image: Image, search: SecretSearch) -> None:
    """Search what upper layers hide, where the image's form tells."""
    if not image.knows_hidden:
        search.leave_out(
            "lower layers",
            "a Nydus image lists only what is visible; files that its layers removed or overwrote may still be pulled",
            GapReason.OUT_OF_SIGHT,
        )
        return
    for file in image.hidden:
        choice = search.choose(file.path, file.size)
        search.name(file.path, file.size, layer=file.layer)
        if choice is None:
            continue
        if file.content is None:
            search.give_up(file.path, f"layer {file.layer} has it, and there was no room to keep it while it passed")
        else:
            search.read(file.path, file.content, choice=choice, layer=file.layer)


def _read_config(image: Image, search: SecretSearch) -> None:
    config, classified = image.identity.config, image.identity.classified
    if config is not None:
        try:
            for place, text in config_texts(config):
                search.read_text(place, text)
        except ImageFault as fault:
            search.leave_out("image config", str(fault), GapReason.MALFORMED)
    if classified is not None:
        for place, text in annotation_texts(classified.manifest.annotations):
            search.read_text(place, text)
