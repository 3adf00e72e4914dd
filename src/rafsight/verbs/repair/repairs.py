"""Repairs as the public API has them: wishes are collected, then an image is repaired by them."""

import os
from pathlib import Path
from typing import BinaryIO

from rafsight.access.options import Options
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.events import Listener, silent
from rafsight.reports.repair import RemainingFinding, Repaired
from rafsight.verbs.repair.packages.outcome import DEB, NPM, WHEEL
from rafsight.verbs.repair.packages.replacing import PackageFile
from rafsight.verbs.repair.plan_file import read_plan
from rafsight.verbs.repair.repairing import repair_image
from rafsight.verbs.repair.wishes import Addition, Removal, Replacement, Wish, Wishes


class NothingFixes(CallerError):
    """No package file fixes anything that a scan found."""

    code = "nothing-fixes"
    template = "no file in {folder} fixes any of the {count} findings of the report: {why}"
    remedy = "Put newer packages there; `rafsight scan --ignore-unfixed` lists what can be fixed, and by which version."
    exit_status = ExitStatus.NOT_FOUND


class Repairs:
    """What shall be different in an image, and the way to make it so. Not safe to share between threads.

        repairs = rafsight.Repairs()
        repairs.replace("/etc/ssl/openssl.cnf", Path("openssl.cnf"))
        repairs.run("registry.example.com/app:v6", "registry.example.com/app:v6-fixed")

    Paths in the image are as a container sees them, absolute or relative to the root; bytes where they are no text.
    """

    def __init__(
        self, *, options: Options | None = None, target_options: Options | None = None, listener: Listener = silent
    ) -> None:
        """Prepare; nothing is wanted yet.

        Args:
            options: how to reach images.
            target_options: how to reach targets; None: as images.
            listener: told about long work.
        """
        self._options = options
        self._target_options = target_options
        self._listener = listener
        self._files: list[Wish] = []
        self._packages: list[PackageFile] = []
        self._findings: dict[Path, tuple[str, ...]] = {}
        self._remaining: list[RemainingFinding] = []
        self._notes: list[str] = []

    @property
    def wishes(self) -> Wishes:
        """What is wanted so far."""
        return Wishes(
            files=tuple(self._files),
            packages=tuple(self._packages),
            findings=dict(self._findings),
            remaining=tuple(self._remaining),
            notes=tuple(self._notes),
        )

    def replace(self, path: str | bytes, local: Path) -> None:
        """Give a file the content, and the time, of a local one; owner, mode and extended attributes stay."""
        self._files.append(Replacement(path=os.fsencode(path), local=local))

    def add(self, path: str | bytes, local: Path, mode: int | None = None) -> None:
        """Add a local file, or a folder with all below it, where nothing is.

        Args:
            path: in the image; folders above are made; with a closing slash a file comes below it by its own name.
            local: on this machine.
            mode: permission bits of the files; None: as they are on this machine.
        """
        self._files.append(Addition(path=os.fsencode(path), local=local, mode=mode))

    def remove(self, path: str | bytes) -> None:
        """Let an entry go, a folder with all below it."""
        self._files.append(Removal(path=os.fsencode(path)))

    def replace_package(self, kind: str, file: Path) -> None:
        """Put a package file in the place of what is installed.

        Args:
            kind: `wheel`, `npm` or `deb`.
            file: on this machine.
        """
        if kind not in (WHEEL, NPM, DEB):
            message = f"'{kind}' is no kind of package: {WHEEL}, {NPM} or {DEB}"
            raise ValueError(message)
        self._packages.append(PackageFile(kind=kind, path=file))

    def read_plan(self, file: Path) -> None:
        """Take all wishes of a YAML file.

        Raises: UnusablePlan.
        """
        wishes = read_plan(file)
        self._files += wishes.files
        self._packages += wishes.packages

    def fix_findings(self, report: BinaryIO, folder: Path) -> None:
        """Put package files of a folder in the place of what a scan found flaws in, as far as they fix them.

        Args:
            report: JSON, as `rafsight scan --format json` writes it and as Trivy does.
            folder: with `.whl`, `.tgz` and `.deb` files.
        Raises: MalformedReport, UnreadablePackage; NothingFixes, unless something else is wanted.
        """
        from rafsight.verbs.repair.packages.choosing import choose_packages
        from rafsight.verbs.repair.packages.scan_report import read_report

        choice = choose_packages(read_report(report), folder)
        self._packages += [one.file for one in choice.chosen]
        self._findings |= {one.file.path: one.findings for one in choice.chosen}
        self._remaining += [
            RemainingFinding(finding=one.finding, package=one.package, why=one.why) for one in choice.remaining
        ]
        self._notes += [f"{one.path.name} is no package: {one.why}" for one in choice.unusable]
        if not self._packages and not self._files:
            first = next(iter(choice.remaining), None)
            why = f"{first.finding} of {first.package}: {first.why}" if first else "it has none"
            raise NothingFixes(folder=str(folder), count=len(choice.remaining), why=why)

    def run(self, reference: str, target: str = "", *, dry_run: bool = False) -> Repaired:
        """Repair an image by the wishes; see `repair_image`.

        Args:
            reference: the image.
            target: what the repaired one is called; may be empty for a dry run.
            dry_run: push nothing.
        """
        return repair_image(
            reference,
            target,
            self.wishes,
            dry_run=dry_run,
            options=self._options,
            target_options=self._target_options,
            listener=self._listener,
        )
