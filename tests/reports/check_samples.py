"""Checks that reports are written from."""

from dataclasses import replace

from rafsight.access.counting import Cost
from rafsight.formats.judge import UNSUPPORTED, Fault, Rule, Weight
from rafsight.reports.check_summary import verdict_of
from rafsight.reports.soundness import Checked, CheckReport, Step, Unchecked, Verdict

DIGEST = "sha256:" + "0123456789abcdef" * 4
SIZE = Rule("bootstrap-stored-size", "has another size than its descriptor says")
TWICE = Rule("directory-reached-twice", "is reached from two directories")
MEMBER = Rule("bootstrap-member", "holds a file that no reader looks for", Weight.ODD)
HOSTILE = "\x1b[2J\u202eevil\n\x00\ufffe\ud800]]>&<"

STEPS = (
    Step(name="manifest", title="manifest", facts=(("layers", 7), ("bytes", 2567)), seconds=0.001),
    Step(name="config", title="image config", facts=(("bytes", 1803), ("steps of history", 1)), seconds=0.012),
    Step(name="bootstrap", title="bootstrap layer", facts=(("files", 1), ("bytes", 116270)), seconds=0.2),
    Step(
        name="metadata",
        title="metadata of the bootstrap",
        facts=(("inodes", 215), ("chunks", 83), ("blobs", 0), ("bytes", 39492)),
        seconds=1.5,
    ),
    Step(name="blobs", title="blobs are there", facts=(("blobs", 6), ("bytes", 2600000)), seconds=0.3),
    Step(name="chunk-info", title="chunk-info arrays and tables of contents", seconds=0.0),
    Step(name="chunks", title="content of the chunks", skipped="not asked for: --chunks reads and verifies every byte"),
    Step(name="source", title="comparison with the source", skipped="not asked for: --source names it"),
)


def image(*steps, title="Nydus image"):
    """Make an image of the usual steps, some of them replaced."""
    others = {step.name: step for step in steps}
    return Checked(
        title=title,
        format="RAFS v6",
        manifest_digest=DIGEST,
        platform="linux/amd64",
        steps=tuple(others.get(step.name, step) for step in STEPS),
    )


def report(*images, reference="127.0.0.1:5000/app:v6", index=""):
    """Make a report of some images."""
    return CheckReport(
        reference=reference,
        index_digest=index,
        images=images,
        verdict=verdict_of(images),
        cost=Cost(requests=9, bytes_fetched=1234567, bytes_needed=1230000),
        started="2026-01-02T03:04:05Z",
        seconds=2.345,
    )


def directories(count, kept=100):
    """Make a metadata step with a rule that is broken in many places."""
    faults = tuple(
        Fault(rule=TWICE, where="v6 inode", offset=4096 + 64 * row, path=b"usr/share/doc/package-%d" % row)
        for row in range(min(count, kept))
    )
    return replace(STEPS[3], faults=faults, counts=((TWICE.code, count),))


WARNED = replace(
    STEPS[2],
    faults=(Fault(rule=MEMBER, where="layers[6]", detail="image/notes.txt"),),
    counts=((MEMBER.code, 1),),
)
BROKEN = replace(
    WARNED,
    faults=(*WARNED.faults, Fault(rule=SIZE, where="layers[6]", detail="116270 bytes, not 99")),
    counts=((MEMBER.code, 1), (SIZE.code, 1)),
)
UNASKED = replace(
    STEPS[4],
    unchecked=tuple(Unchecked(subject=f"blob sha256:{row:064}", why="127.0.0.1:5000 answers 500") for row in range(12)),
)
UNKNOWN_KIND = replace(
    STEPS[3], faults=(Fault(rule=UNSUPPORTED, where="bootstrap", detail="RAFS v4"),), counts=((UNSUPPORTED.code, 1),)
)

SOUND = report(image())
SOUND_WITH_CHUNKS = report(image(Step(name="chunks", title="content of the chunks", facts=(("chunks", 83),))))
SOUND_WITH_WARNING = report(image(WARNED))
UNSOUND = report(image(BROKEN, directories(4321), UNASKED), image(BROKEN, title="OCI half"), index=DIGEST)
ONE_ERROR = report(image(directories(1)))
UNCHECKED = report(image(UNASKED))
NOT_KNOWN = report(image(UNKNOWN_KIND, WARNED))


def hostile():
    """Make a report in which everything that can be foreign is."""
    fault = Fault(
        rule=SIZE, where=HOSTILE, path=HOSTILE.encode("utf-8", "surrogatepass") + b"\xff", detail=HOSTILE * 40
    )
    step = replace(
        STEPS[2],
        faults=(fault,),
        counts=((SIZE.code, 1),),
        unchecked=(Unchecked(subject=HOSTILE, why=HOSTILE * 40),),
        skipped=HOSTILE,
    )
    odd = replace(image(step), manifest_digest=HOSTILE, platform=HOSTILE, format=HOSTILE)
    return report(odd, reference=HOSTILE, index=HOSTILE)


ALL = (SOUND, SOUND_WITH_CHUNKS, SOUND_WITH_WARNING, UNSOUND, ONE_ERROR, UNCHECKED, NOT_KNOWN)

__all__ = ["Verdict"]
