"""A slow link in front of a server: a TCP proxy with a rate and a delay, shared by all connections as a real line is.

    python -m bench.link --to 127.0.0.1:5000 --mbit 100 --rtt-ms 20

prints the port that it listens on (loopback). A new connection costs one round trip before its first byte, each
direction adds half a round trip, and all connections share the bandwidth of each direction.
"""

import argparse
import asyncio
from contextlib import suppress

PIECE = 16 * 1024


class Lane:
    """One direction of the line: bytes leave it in order, no faster than its rate."""

    def __init__(self, *, bytes_per_second: float, delay: float) -> None:
        self._rate = bytes_per_second
        self._delay = delay
        self._free = 0.0

    def arrival(self, size: int, now: float) -> float:
        """Return when the last of `size` bytes arrives that enter the line now."""
        self._free = max(self._free, now) + size / self._rate
        return self._free + self._delay


async def pump(lane: Lane, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, opened: float) -> None:
    """Carry one direction of one connection."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=256)

    async def deliver() -> None:
        while True:
            arrival, piece = await queue.get()
            await asyncio.sleep(max(arrival - loop.time(), 0))
            if not piece:
                break
            writer.write(piece)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()

    async def collect() -> None:
        while piece := await reader.read(PIECE):
            await queue.put((lane.arrival(len(piece), max(loop.time(), opened)), piece))
        await queue.put((lane.arrival(0, loop.time()), b""))

    with suppress(OSError, asyncio.IncompleteReadError):
        await asyncio.gather(collect(), deliver())


async def serve(host: str, port: int, *, mbit: float, rtt: float) -> None:
    """Listen on loopback until cancelled."""
    rate = mbit * 1e6 / 8
    upwards = Lane(bytes_per_second=rate, delay=rtt / 2)
    downwards = Lane(bytes_per_second=rate, delay=rtt / 2)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened = asyncio.get_running_loop().time() + rtt  # the handshake that loopback does not need
        try:
            far_reader, far_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(upwards, reader, far_writer, opened), pump(downwards, far_reader, writer, opened))
        for one in (writer, far_writer):
            with suppress(OSError):
                one.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", required=True)
    parser.add_argument("--mbit", type=float, default=100)
    parser.add_argument("--rtt-ms", type=float, default=20)
    options = parser.parse_args()
    host, _, port = options.to.rpartition(":")
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(host, int(port), mbit=options.mbit, rtt=options.rtt_ms / 1000))


if __name__ == "__main__":
    main()
