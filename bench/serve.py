"""Serve OCI layouts from a registry on loopback: `python -m bench.serve [--writable FOLDER] NAME=LAYOUT ...`.

It prints its port. With a folder, other repositories can be pushed to, and lie there.
"""

import argparse
import threading
from contextlib import suppress
from pathlib import Path

from rafsight.testing.registry import serve_layout, serve_writable


def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writable", type=Path, default=None)
    parser.add_argument("layouts", nargs="+", metavar="NAME=LAYOUT")
    options = parser.parse_args()
    pairs = [argument.partition("=") for argument in options.layouts]
    layouts = {name: Path(path) for name, _, path in pairs}
    serving = serve_layout(layouts) if options.writable is None else serve_writable(options.writable, layouts=layouts)
    with serving as registry, suppress(KeyboardInterrupt):
        print(registry.host.rpartition(":")[2], flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
