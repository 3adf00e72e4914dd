"""Histories of all builders say the same thing."""

import pytest

from rafsight.analysis.misconfig.steps import STEP_COUNT, TEXT_SIZE, read_steps
from rafsight.formats.oci.config import History

LINE = "apt-get update && apt-get install -y x"


def entry(text, comment=""):
    return History(created="", created_by=text, author="", comment=comment, empty_layer=False)


def step(text):
    return read_steps([entry(text)])[0]


@pytest.mark.parametrize(
    "text",
    [
        f"/bin/sh -c {LINE}",
        f"RUN /bin/sh -c {LINE} # buildkit",
        f"RUN {LINE}",
        f"|2 A=1 B=two words /bin/sh -c {LINE}",
        f"RUN |1 TOKEN=x /bin/sh -c {LINE} # buildkit",
        f"RUN --mount=type=cache,target=/x |1 A= /bin/sh -c {LINE} # buildkit",
        f"/bin/bash -o pipefail -c {LINE}",
        f"RUN /bin/ash -eo pipefail -c {LINE} # buildkit",
        f"/bin/sh -ec {LINE}",
        f"|1 A=1 {LINE}",
    ],
)
def test_command_lines(text):
    assert (step(text).instruction, step(text).text) == ("RUN", LINE)


@pytest.mark.parametrize(
    ("text", "instruction", "rest"),
    [
        ('/bin/sh -c #(nop)  CMD ["bash"]', "CMD", '["bash"]'),
        ("/bin/sh -c #(nop) ADD file:12 in / ", "ADD", "file:12 in /"),
        ("/bin/sh -c #(nop) COPY dir:12 in /srv |inheritLabels=false|force-mtime=1", "COPY", "dir:12 in /srv"),
        ("COPY conf/ / # buildkit", "COPY", "conf/ /"),
        ("/bin/sh -c #(nop) something else", "", "something else"),
        ("Nydus Converter", "", "Nydus Converter"),
        ("", "", ""),
        ("maintainer x", "MAINTAINER", "x"),
    ],
)
def test_instructions(text, instruction, rest):
    assert (step(text).instruction, step(text).text) == (instruction, rest)


def test_options_of_run_are_kept():
    assert step("RUN --mount=type=cache,target=/x --network=none /bin/sh -c y").options == (
        "--mount=type=cache,target=/x",
        "--network=none",
    )


def test_it_is_bounded():
    assert len(step("RUN " + "x" * (TEXT_SIZE * 4)).text) <= TEXT_SIZE
    steps = read_steps([entry("RUN x")] * (STEP_COUNT + 5))
    assert len(steps) == STEP_COUNT
    assert steps[7].place == "history[7]"
