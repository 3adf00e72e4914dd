"""Serve OCI layouts from a registry on loopback: `python -m bench.serve NAME=LAYOUT ...` prints its port."""

import sys
import threading
from contextlib import suppress
from pathlib import Path

from rafsight.testing.registry import serve_layout


def main() -> None:
    """Serve until the process ends."""
    pairs = [argument.partition("=") for argument in sys.argv[1:]]
    if not pairs or not all(path for _, _, path in pairs):
        sys.exit(__doc__)
    layouts = {name: Path(path) for name, _, path in pairs}
    with serve_layout(layouts) as registry, suppress(KeyboardInterrupt):
        print(registry.host.rpartition(":")[2], flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
