"""A store that is filled once, and somebody who looks at it."""

import pytest
from tests.interfaces.service.pages.serving import Visitor
from tests.interfaces.service.pages.stories import OTHER, REGISTRY, Stories, fill
from tests.interfaces.service.web.doors import settings_for

from rafsight.interfaces.service.web.settings import RegistrySettings

ALLOWED = RegistrySettings(allow=(REGISTRY, OTHER))


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """The store that most tests look at; nobody may write into it."""
    stories = fill(tmp_path_factory.mktemp("filled"))
    yield stories
    stories.store.close()


@pytest.fixture(scope="session")
def looker(filled, tmp_path_factory):
    """Somebody who looks at that store."""
    settings = settings_for(tmp_path_factory.mktemp("looker"), registries=ALLOWED)
    visitor = Visitor(settings, filled.store)
    yield visitor
    visitor.close()


@pytest.fixture
def empty(tmp_path):
    """A store of this test's own."""
    stories = Stories(tmp_path)
    yield stories
    stories.store.close()


@pytest.fixture
def visit(tmp_path):
    """`visit(stories, **settings)` makes somebody who looks at a store."""
    visitors = []

    def make(stories, *, address=None, **settings):
        more = {} if address is None else {"address": address}
        made = settings_for(tmp_path, **{"registries": ALLOWED, **settings})
        visitors.append(Visitor(made, stories.store, **more))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.close()
