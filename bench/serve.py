"""Serve OCI layouts from a registry on loopback: `python -m bench.serve [--writable FOLDER] [--count] NAME=LAYOUT ...`.

It prints its port. With a folder, other repositories can be pushed to, and lie there. With --count, each line of
standard input is answered by one in JSON: the requests that were answered since the last one, and the bytes of their
bodies.
"""

import argparse
import json
import sys
import threading
from contextlib import suppress
from pathlib import Path

from rafsight.testing.registry import Registry, serve_layout, serve_writable


def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writable", type=Path, default=None)
    parser.add_argument("--count", action="store_true")
    parser.add_argument("layouts", nargs="+", metavar="NAME=LAYOUT")
    options = parser.parse_args()
    pairs = [argument.partition("=") for argument in options.layouts]
    layouts = {name: Path(path) for name, _, path in pairs}
    serving = serve_layout(layouts) if options.writable is None else serve_writable(options.writable, layouts=layouts)
    with serving as registry, suppress(KeyboardInterrupt):
        print(registry.host.rpartition(":")[2], flush=True)
        if options.count:
            tell_counts(registry)
        threading.Event().wait()


def tell_counts(registry: Registry) -> None:
    """Answer each line of standard input."""
    for _ in sys.stdin:
        log = registry.log
        registry.forget()
        print(json.dumps({"requests": len(log), "bytes": sum(served.sent for served in log)}), flush=True)


if __name__ == "__main__":
    main()
