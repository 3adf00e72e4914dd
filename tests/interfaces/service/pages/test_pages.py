"""What holds for every page, and what the pages of images, reports and changes say."""

import itertools
import re
from dataclasses import replace
from importlib.resources import files
from urllib.parse import quote

import pytest
from tests.interfaces.service.pages.serving import Reader
from tests.interfaces.service.pages.stories import OTHER, PLAIN, REGISTRY, digest, new_finding, without
from tests.reports import samples

from rafsight.interfaces.service.pages.visits import HEADERS

FRONTEND = f"registry={REGISTRY}&repository=team/shop/frontend&tag=v6"
PAGES = {
    "images": "/",
    "images, sorted": f"/?order=name&registry={REGISTRY}&search=team",
    "no image": "/?search=nothing-like-it",
    "image": f"/image?{FRONTEND}",
    "report": "/reports/{frontend}",
    "a hostile report": "/reports/{hostile}",
    "changes": "/changes?report={frontend}",
    "hostile changes": "/changes?report={hostile}",
    "news": "/news",
    "scans": "/scans",
    "scans that failed": "/scans?state=failed&search=gone",
    "a scan": "/scans/{scan}",
    "hunt": "/hunt",
    "state": "/state",
    "login": "/login",
    "an error": "/reports/there-is-no-such-report",
    "hostile words": "/?search=" + quote(f"{samples.MARKUP}{samples.ESCAPES}"),
}
HIDDEN = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\u2028\x00-\x08\x0b-\x1f\x7f-\x9f]")


def address_of(name, stories):
    return PAGES[name].format(frontend=stories.frontend.id, hostile=stories.hostile.id, scan=stories.slow)


@pytest.fixture
def look(looker, filled):
    def look(name):
        answer = looker.get(address_of(name, filled))
        return answer, Reader(answer.text)

    return look


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_sound(look, name):
    answer, page = look(name)
    assert answer.status_code == (404 if name == "an error" else 200), answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for _, attributes in page.elements:
        for key in ("for", "aria-labelledby", "aria-describedby"):
            assert attributes.get(key, ids[0]) in ids, attributes
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("scope" in cell for cell in page.all("th"))
    assert all("alt" in picture for picture in page.all("img"))


@pytest.mark.parametrize("name", PAGES)
def test_no_page_runs_or_fetches_anything(look, name):
    answer, page = look(name)
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    for tag, attributes in page.elements:
        assert tag not in ("script", "style", "iframe", "object", "embed", "base", "audio", "video", "b>", "svg")
        assert not any(key.startswith("on") or key in ("style", "srcset", "formaction") for key in attributes)
        for key in ("src", "action"):
            assert re.match(r"/(?!/)", attributes.get(key, "/")), attributes
        href = attributes.get("href", "/")
        assert re.match(r"/(?!/)|#content\Z|https?://", href), href
        if href.startswith("http"):
            assert attributes["rel"] == "noreferrer noopener"
            assert tag == "a"


@pytest.mark.parametrize("name", PAGES)
def test_nothing_hidden_turns_text_around(look, name):
    answer, page = look(name)
    assert not HIDDEN.search(answer.text.replace("\n", ""))
    assert "x" * 1000 not in answer.text
    for _, attributes in page.elements:
        assert not any("alert(" in value for key, value in attributes.items() if value and key != "value")
    if "hostile" in name:
        assert "onerror=alert(1)" in page.text + "".join(one.get("value", "") for one in page.all("input"))
        assert "\\u202e" in answer.text


@pytest.mark.parametrize("name", PAGES)
def test_forms_that_do_something_carry_their_mark(look, name):
    answer, page = look(name)
    fields = [one for one in page.all("input") if one.get("name") == "form-token"]
    assert len(fields) == len([one for one in page.all("form") if one["method"] == "post"])
    assert all(re.fullmatch("[0-9a-f]{64}", one["value"]) for one in fields)
    assert "form-token" not in str(answer.url)


@pytest.mark.parametrize("name", PAGES)
def test_times_are_for_machines_too(look, name):
    _, page = look(name)
    for one in page.all("time"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one["datetime"])


def test_no_template_marks_anything_as_safe():
    templates = files("rafsight.interfaces.service.pages").joinpath("templates")
    for template in templates.iterdir():
        assert not re.search(r"\bsafe\b|autoescape|Markup", template.read_text()), template.name


def test_images_the_worst_first(looker, filled):

    def names(path="/"):
        text = Reader(looker.get(path).text).words
        return re.findall(r"((?:team|tools|library)/[a-z0-9/-]+)", text)

    assert names()[0] == "team/shop/backend"
    assert set(names()[-2:]) == {"team/base/debian-slim", "library/quiet"}
    assert names("/?order=name")[0] == "team/base/debian-slim"
    assert names("/?search=SHOP&order=name") == ["team/shop/backend", "team/shop/frontend"]
    assert names(f"/?registry={OTHER}") == ["library/quiet"]


def test_an_image_is_never_clean_if_not_all_was_looked_at(looker, filled):
    text = Reader(looker.get("/").text).words
    assert text.count("nothing found") == 1
    assert "library/quiet:latest" in text
    quiet = text.partition("library/quiet")[2]
    assert "not all was looked at" in quiet


def test_lists_come_in_parts(visit, empty):
    for number in range(53):
        empty.scan(f"team/app-{number:02}", samples.CLEAN, tag="v1")
    visitor = visit(empty)
    first = visitor.get("/?order=name")
    assert "1 to 50 of 53 images" in Reader(first.text).words
    (more,) = [one["href"] for one in Reader(first.text).all("a") if one.get("rel") == "next"]
    second = Reader(visitor.get(more).text)
    assert "51 to 53 of 53 images" in second.words
    assert "team/app-52" in second.words
    assert "team/app-00" not in second.words
    (back,) = [one["href"] for one in second.all("a") if one.get("rel") == "prev"]
    assert back == "/?order=name"


def test_an_empty_service_says_what_to_do(visit, empty):
    visitor = visit(empty)
    assert "No image has been scanned yet." in visitor.get("/").text
    assert "Nobody has asked for a scan yet." in visitor.get("/scans").text
    assert "There are none." in visitor.get("/news").text


def test_an_image_with_its_reports(looker, filled):
    page = Reader(looker.get(f"/image?{FRONTEND}").text)
    assert page.words.count("What changed") == 1
    assert "first scan" in page.words
    assert len([one for one in page.all("a") if one["href"].startswith("/reports/")]) == 2


def test_a_digest_without_tag_is_an_image(looker, filled):
    page = looker.get(f"/image?registry={REGISTRY}&repository=tools/unnamed&digest={digest(6)}")
    assert page.status_code == 200
    assert page.text.count("first scan") == 1
    gone = looker.get(f"/image?registry={REGISTRY}&repository=tools/unnamed&digest={digest(5)}")
    assert gone.status_code == 404


def test_a_report_in_short(looker, filled):
    words = Reader(looker.get(f"/reports/{filled.frontend.id}").text).words
    assert "16 vulnerabilities, 2 secrets and 2 misconfigurations found." in words
    assert "The 12 riskiest of 14 findings" in words
    assert "3 new, 1 gone, 11 still there; 4 packages changed" in words
    assert "2 vulnerabilities came, 0 went, though the image is the same." in words
    assert "Not looked at 4" in words
    assert "asked again 2026-11-" in words


def test_what_changed_and_what_came_with_advisories(looker, filled):
    words = Reader(looker.get(f"/changes?report={filled.frontend.id}").text).words
    new, _, rest = words.partition("Gone 1")
    assert "New 3" in new
    assert "CVE-2024-2961 known exploited since the advisories of" in new
    gone, _, kept = rest.partition("Still there 11")
    assert "CVE-2019-10744" in gone
    assert "Packages 4" in kept


def test_secrets_checks_and_packages_that_changed(looker, filled):
    page = Reader(looker.get(f"/changes?report={filled.frontend.id}").text)
    assert "Compared: vulnerabilities, secrets, misconfiguration; and the packages themselves." in page.words
    new, _, rest = page.words.partition("Gone 1")
    _, _, kept = rest.partition("Still there 11")
    assert "aws-access-key-id secret" in new
    assert "aws-access-key-id" not in kept
    assert "private-key-file secret" in kept
    assert "RS-CFG-001 misconfiguration" in kept
    _, _, packages = kept.partition("Packages 4")
    assert "3 packages came, 1 went, 0 have other versions." in packages
    assert "left-pad Node.js was 1.3.0 is gone" in packages
    assert "git deb was not there is 1:2.39.2-1.1" in packages


def test_packages_with_other_versions(visit, empty):
    for components in ([samples.LODASH, samples.EVIL], [replace(samples.LODASH, version="4.17.21"), samples.EVIL]):
        report = replace(samples.CLEAN, inventory=replace(samples.CLEAN.inventory, components=tuple(components)))
        head = empty.scan("team/app", report, tag="v1")
    words = Reader(visit(empty).get(f"/changes?report={head.id}").text).words
    assert "Packages 1 0 packages came, 0 went, 1 has other versions." in words
    assert "lodash Node.js was 4.17.11 is 4.17.21" in words
    same = empty.scan("team/app", report, tag="v1")
    words = Reader(visit(empty).get(f"/changes?report={same.id}").text).words
    assert "Packages 0 The packages and their versions are the same." in words


def test_what_not_both_looked_for_is_not_compared(visit, empty):
    everything = ("vuln", "secret", "misconfig")
    empty.scan("team/app", PLAIN, tag="v1", scanners=("vuln",))
    head = empty.scan("team/app", PLAIN, tag="v1", scanners=everything)
    words = Reader(visit(empty).get(f"/changes?report={head.id}").text).words
    assert "Not compared: secrets, misconfiguration, which not both scans looked for." in words
    assert "New 0" in words
    secrets = empty.scan("team/app", replace(PLAIN, secrets=()), tag="v1", scanners=("secret",))
    words = Reader(visit(empty).get(f"/changes?report={secrets.id}").text).words
    assert "Compared: secrets; and the packages themselves. Not compared: vulnerabilities, misconfiguration" in words
    assert "New 0 Nothing is new. Gone 2" in words


def test_two_reports_of_ones_choice(visit, empty):
    first = empty.scan("team/app", samples.PLANTED, tag="v1")
    empty.scan("team/app", without(samples.PLANTED, "CVE-2024-2961"), tag="v1")
    third = empty.scan("team/app", without(samples.PLANTED, "CVE-2019-10744"), tag="v1")
    visitor = visit(empty)
    assert "New 1" in Reader(visitor.get(f"/changes?report={third.id}").text).words
    chosen = Reader(visitor.get(f"/changes?report={third.id}&since={first.id}").text)
    assert "New 0 Nothing is new. Gone 1" in chosen.words
    assert len(chosen.all("option")) == 2
    assert [one["value"] for one in chosen.all("option") if "selected" in one] == [first.id]
    assert visitor.get(f"/changes?report={first.id}").status_code == 404


def test_scans_for_different_things_are_not_compared(visit, empty):
    empty.scan("team/app", samples.PLANTED, tag="v1")
    head = empty.scan("team/app", samples.CLEAN, tag="v1", scanners=("secret",))
    words = Reader(visit(empty).get(f"/reports/{head.id}").text).words
    assert "no earlier report that looked for the same" in words
    words = Reader(visit(empty).get(f"/image?registry={REGISTRY}&repository=team/app&tag=v1").text).words
    assert "nothing to compare" in words
    assert "first scan" in words


def test_a_report_is_shown_as_an_image_only_if_it_is_one_of_its(visit, empty):
    empty.scan("team/app", samples.CLEAN, tag="v1", number=7)
    head = empty.scan("other/app", samples.CLEAN, tag="v2", number=7)
    visitor = visit(empty)
    as_other = visitor.get(f"/reports/{head.id}?registry={REGISTRY}&repository=team/app&tag=v1")
    assert "team/app" in Reader(as_other.text).words
    as_lie = visitor.get(f"/reports/{head.id}?registry=bank.example&repository=vault&tag=v1")
    assert "vault" not in as_lie.text
    assert "other/app" in as_lie.text


def test_the_full_report_stands_in_a_sandbox(looker, filled):
    answer = looker.get(f"/reports/{filled.hostile.id}/full")
    assert "sandbox allow-scripts" in answer.headers["content-security-policy"]
    assert "allow-same-origin" not in answer.headers["content-security-policy"]
    assert answer.headers["cross-origin-opener-policy"] == "unsafe-none"
    assert answer.text.startswith("<!doctype html>")


@pytest.mark.parametrize(("name", "ending"), [("json", "json"), ("sarif", "sarif"), ("table", "txt"), ("html", "html")])
def test_files(looker, filled, name, ending):
    answer = looker.get(f"/reports/{filled.frontend.id}/download?format={name}")
    assert answer.status_code == 200
    tail = filled.frontend.place.digest[-12:]
    assert answer.headers["content-disposition"] == f'attachment; filename="team-shop-frontend-{tail}.{ending}"'
    assert "script-src" not in answer.headers["content-security-policy"] or name == "html"


@pytest.mark.parametrize(
    "path",
    [
        "/?order=best",
        "/?offset=-1",
        "/?offset=x",
        "/scans?state=lost",
        "/changes?report=.",
        "/reports/x/download?format=x",
    ],
)
def test_what_cannot_be_is_said(looker, filled, path):
    answer = looker.get(path)
    assert answer.status_code == 400
    assert "unusable-request" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/reports/xxxxxxxx",
        "/reports/%2e%2e%2fx",
        "/scans/xxxxxxxx",
        "/assets/x.css",
        "/image?registry=a&repository=b&tag=c",
    ],
)
def test_what_is_not_there(looker, filled, path):
    assert looker.get(path).status_code == 404


def test_an_address_that_there_is_not_is_a_page_in_a_browser_and_json_for_programs(looker, filled):
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    page = looker.get("/no/such/page", headers=browser)
    assert page.status_code == 404
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "there is no such address here" in Reader(page.text).words
    for answer in (looker.get("/no/such/page"), looker.post("/no/such/page", [], headers=browser)):
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "nothing-there"


def test_what_mailers_add_to_addresses_does_no_harm(looker, filled):
    assert looker.get("/?utm_source=mail&order=name").status_code == 200


def test_other_methods_are_refused(looker, filled):
    answer = looker.post("/", [])
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_files_beside_pages_are_kept_for_ever(looker, filled):
    page = Reader(looker.get("/").text)
    (style,) = [one["href"] for one in page.all("link") if one["rel"] == "stylesheet"]
    answer = looker.get(style)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert "url(" not in answer.text
    assert "@import" not in answer.text


def test_news_of_hostile_names(visit, empty):
    head = empty.scan("team/app", samples.CLEAN, tag="v1")
    empty.news(head, tuple(new_finding(f"CVE-{number}", component="\u202e<b>") for number in range(12)))
    words = Reader(visit(empty).get("/news").text).words
    assert "\\u202e<b>" in words
    assert "and 2 more" in words


def test_a_store_that_fails_says_nothing_of_this_machine(visit, empty):
    visitor = visit(empty)
    empty.store.close()
    answer = visitor.get("/")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert str(visitor.service.settings.store) not in answer.text
