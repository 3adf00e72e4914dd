"""A replica in a process of its own: what a test kills. It takes orders, does them, and ends when its input does."""

import json
import sys
from pathlib import Path

from tests.interfaces.service.orders import order
from tests.interfaces.service.workers.support import pool

from rafsight.interfaces.service.jobs.contract import new_id
from rafsight.interfaces.service.jobs.model import DeliveryKind, DeliveryWish
from rafsight.interfaces.service.jobs.opening import open_store

WISH = DeliveryWish(kind=DeliveryKind.WEBHOOK, target="https://hooks.example/a")


def say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main():
    url, folder, plan, first, last, workers, lease = sys.argv[1:]
    store = open_store(url)
    replica = new_id()
    store.beat(replica)
    for number in range(int(first), int(last)):
        accepted = store.accept(order(number, wishes=(WISH,)), replica=replica, queue_limit=1000)
        say(accepted.job.id)
    with pool(store, Path(folder), json.loads(plan), workers=int(workers), replica=replica, lease=int(lease)):
        say("ready")
        sys.stdin.read()
    store.close()


if __name__ == "__main__":
    main()
