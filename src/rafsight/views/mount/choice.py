"""Which engine serves an image: the one that was asked for, else the first that can.

This module alone decides the order. What can be done is found out by doing it: neither versions nor features of a
kernel are asked for.
"""

import os
from contextlib import ExitStack
from typing import Final

from rafsight.base.errors import HostLimit
from rafsight.base.events import Noticed
from rafsight.views.mount.engine import Engine, Plan, Served

AUTO: Final = "auto"
NAMES: Final = (AUTO, "erofs", "erofs-fanotify", "fuse")


def engines_for(name: str) -> tuple[Engine, ...]:
    """Return the engines to try, in order.

    Args:
        name: one of NAMES.

    Raises: ValueError: it is none of them.
    """
    from rafsight.views.mount.erofs_engine import ErofsEngine
    from rafsight.views.mount.fanotify_engine import FanotifyEngine
    from rafsight.views.mount.fuse_engine import FuseEngine

    if name == AUTO:
        return (ErofsEngine(), FuseEngine())
    if name not in NAMES:
        message = f"no engine is called {name!r}; there are {', '.join(NAMES)}"
        raise ValueError(message)
    known: tuple[Engine, ...] = (ErofsEngine(), FanotifyEngine(), FuseEngine())
    return tuple(engine for engine in known if engine.name == name)


def mount_first(engines: tuple[Engine, ...], plan: Plan, stack: ExitStack) -> Served:
    """Mount by the first engine that can; say why those before it could not.

    Args:
        engines: to try, at least one.
        plan: what is to be mounted.
        stack: takes what unmounts it.

    Raises: HostLimit: of the last one.
    """
    *others, last = engines
    for engine in others:
        try:
            return stack.enter_context(engine.mount(plan))
        except HostLimit as limit:
            if os.geteuid() == 0:  # ordinary users may never mount EROFS: no news to them
                plan.listener(Noticed(message=f"not the engine {engine.name}: {limit}"))
    return stack.enter_context(last.mount(plan))
