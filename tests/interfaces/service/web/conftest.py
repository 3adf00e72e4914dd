import pytest
from tests.interfaces.service.web.doors import Door, settings_for

from rafsight.interfaces.service.jobs.opening import open_store


@pytest.fixture
def open_door(tmp_path):
    """`open_door(**settings)` makes a service on a store of this test, and a client of it."""
    doors, stores = [], []

    def make(*, parts=None, **settings):
        made = settings_for(tmp_path, **settings)
        if not stores:
            stores.append(open_store(made.store))
        doors.append(Door(made, stores[0], **(parts or {})))
        return doors[-1]

    yield make
    for door in doors:
        door.close()
    for store in stores:
        store.close()


@pytest.fixture
def door(open_door):
    return open_door()
