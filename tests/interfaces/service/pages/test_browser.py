"""The pages in a real Chromium: nothing complains, nothing leaves, everybody can read and reach everything."""

from pathlib import Path

import pytest
from tests.chromium import chromium
from tests.interfaces.service.pages.serving import make_token, serving
from tests.interfaces.service.pages.stories import REGISTRY, Stories
from tests.interfaces.service.pages.test_pages import PAGES, address_of
from tests.reports import samples

from rafsight.interfaces.service.web.settings import RegistrySettings

LOOKING = (Path(__file__).parent / "looking.js").read_text()
NAMED = ("link", "button", "textbox", "searchbox", "combobox", "checkbox", "radio", "table", "img", "region")
ALLOWED = RegistrySettings(allow=(REGISTRY,))


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(filled, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served"), filled.store, registries=ALLOWED) as served:
        yield served


def check_quiet(page, address, *, but=()):
    """See that nothing was complained about, and that nothing left."""
    assert [one for one in page.complaints if not any(part in one for part in but)] == []
    assert [one for one in page.addresses if not one.startswith(f"{address}/")] == []


@pytest.fixture(scope="module")
def page(browser):
    """A page for tests that only look."""
    with browser.page() as opened:
        yield opened


@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_read_every_page(page, address, filled, name):
    page.forget()
    page.go(address + address_of(name, filled))
    for width in (1280, 390):
        page.resize(width, 800)
        for dark in (False, True):
            page.colours(dark=dark)
            found = page.run(LOOKING)
            assert found == {"faint": [], "small": [], "wide": [], "overflow": 0}, (width, dark)
        check_tree(page.tree(), name)
    check_quiet(page, address, but=("404",) if name == "an error" else ())


def check_tree(tree, name):
    """See what a screen reader is told."""
    roles = [role for role, _, _ in tree]
    for role, label, _ in tree:
        assert role not in NAMED or label.strip(), (role, label)
    assert roles.count("main") == roles.count("banner") == roles.count("contentinfo") == 1
    places = [label for role, label, _ in tree if role == "navigation"]
    assert len(set(places)) == len(places)
    assert name == "login" or "Main" in places
    if "table" in roles:
        assert {"row", "rowheader", "cell", "columnheader"} <= set(roles)


@pytest.mark.parametrize("dark", [False, True])
def test_colours_follow_the_reader(browser, address, dark):
    with browser.page(dark=dark) as page:
        page.go(f"{address}/")
        ground = page.run("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(20, 24, 28)") is dark


@pytest.mark.parametrize("path", ["/", "/scans", "/hunt"])
def test_the_tabulator_reaches_everything_in_its_order(browser, address, path):
    tags = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']"
    everything = f'[...document.querySelectorAll("{tags}")].filter((one) => one.type !== "radio" || one.checked)'
    with browser.page() as page:
        page.go(address + path)
        count = page.run(f"window.kept = {everything}; kept.length")
        order = []
        for _ in range(count):
            page.tab()
            order.append(page.run("kept.indexOf(document.activeElement)"))
            outline = page.run("getComputedStyle(document.activeElement).outline")
            assert "solid 3px" in outline or "3px solid" in outline, outline
            assert page.run("document.activeElement.getBoundingClientRect().left") >= 0
        assert order == list(range(count))


def test_the_skip_link_leads_to_the_content(browser, address):
    with browser.page() as page:
        page.go(f"{address}/")
        page.tab()
        assert page.run("document.activeElement.textContent") == "Skip to the content"
        page.press("Enter", 13)
        page.wait(lambda: page.run("location.hash") == "#content")
        page.tab()
        assert page.run("document.querySelector('main').contains(document.activeElement)")


def test_who_wants_no_motion_gets_none(browser, address):
    moving = "getComputedStyle(document.querySelector('.state.running'), '::before').animationName"
    for motion, name in ((True, "beat"), (False, "none")):
        with browser.page(motion=motion) as page:
            page.go(f"{address}/scans?state=running")
            assert page.run(moving) == name


def test_the_full_report_works_and_is_nobody(browser, address, filled):
    with browser.page() as page:
        page.go(f"{address}/reports/{filled.frontend.id}")
        page.click(".button.primary")
        assert page.run("document.title") == "Scan of " + filled.frontend.place.reference
        assert page.run("self.origin") == "null"
        assert page.run("document.getElementById('theme').hidden") is False
        assert page.run("document.querySelectorAll('#table tbody tr').length") == 14
        check_quiet(page, address)
        page.go(f"{address}/reports/{filled.hostile.id}/full")
        assert page.run("document.querySelectorAll('img, iframe').length") == 0
        check_quiet(page, address)


@pytest.fixture
def closed(tmp_path):
    """A service of this test's own that wants tokens, its store, and a token."""
    stories = Stories(tmp_path)
    token = make_token(stories.store, "read", "scan:write")
    head = stories.scan("team/app", samples.PLANTED, tag="v1")
    with serving(tmp_path, stories.store, host="0.0.0.0", registries=ALLOWED) as served:
        yield served, stories, token, head
    stories.store.close()


def test_from_the_login_to_a_report_without_a_script(browser, closed):
    address, stories, token, _ = closed
    with browser.page(javascript=False) as page:
        page.go(f"{address}/scans")
        assert page.run("location.pathname + location.search") == "/login?next=%2Fscans"
        page.type("#token", token)
        page.settle(lambda: page.press("Enter", 13))
        assert page.run("location.pathname") == "/scans"
        assert page.run("document.cookie") == ""
        page.type("#reference", f"{REGISTRY}/team/new:v1")
        page.click(".stacked .primary")
        assert page.run("document.querySelector('.state').textContent") == "waiting"
        stories.clock.now += 1
        stories.scan("team/new", samples.CLEAN, tag="v2")  # a worker takes the older one
        # the page asks again by itself; one that was on its way may still say that it waits
        shown = "document.readyState + ' ' + document.querySelector('.state')?.textContent"
        page.wait(lambda: page.run(shown) == "complete done")
        page.click(".button.primary")
        assert page.run("document.querySelector('h1').textContent.trim()").startswith("team/new")
        page.click(".who button")
        assert page.run("location.pathname") == "/login"
        check_quiet(page, address)


def test_a_link_on_another_site_leads_to_the_page(browser, closed):
    address, _, token, head = closed
    elsewhere = address.replace("127.0.0.1", "localhost")
    with browser.page() as page:
        page.go(f"{address}/login")
        page.type("#token", token)
        page.settle(lambda: page.press("Enter", 13))
        page.go(f"{elsewhere}/login")
        page.run(f"location.href = '{address}/reports/{head.id}'")
        page.wait(lambda: "team/app" in (page.run("document.querySelector('h1')?.textContent") or ""))
        assert page.run("location.href") == f"{address}/reports/{head.id}"


def test_a_page_of_another_site_can_send_no_form(browser, closed):
    address, stories, token, _ = closed
    elsewhere = address.replace("127.0.0.1", "localhost")
    with browser.page() as page:
        page.go(f"{address}/login")
        page.type("#token", token)
        page.settle(lambda: page.press("Enter", 13))
        page.go(f"{elsewhere}/login")
        page.ask("Page.setBypassCSP", enabled=True)
        page.go(f"{elsewhere}/login")
        page.settle(
            lambda: page.run(
                f"""{{ const form = document.createElement("form"); form.method = "post";
                form.action = "{address}/scans"; const field = document.createElement("input");
                field.name = "reference"; field.value = "{REGISTRY}/a:b"; form.append(field);
                document.body.append(form); form.submit(); }}"""
            )
        )
        assert page.run("document.querySelector('code').textContent") in ("not-authenticated", "foreign-form")
        assert stories.store.counts().jobs["waiting"] == 0
