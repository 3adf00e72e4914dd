"""Notifications of registries: who may send them, which of them count, and what follows."""

import copy

import pytest
from tests.interfaces.service.web.doors import DIGEST, REGISTRY

from rafsight.interfaces.service.jobs.model import DeliveryKind, Paging
from rafsight.interfaces.service.web.rules import Rule
from rafsight.interfaces.service.web.settings import EventSettings, RegistrySettings, Target, WebLimits

SECRET = "a shared secret of sixteen"
OTHER = "sha256:" + "b" * 64
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_TYPE = "application/vnd.docker.distribution.events.v1+json"
EVENTS = EventSettings(registry_secret=SECRET, harbor_secret=SECRET)


def push(digest=DIGEST, tag="v1", action="push", **target):
    """An event as registry 2.8 sends it."""
    return {
        "id": "320678d8-ca14-430f-8bb6-4ca139cd83f7",
        "timestamp": "2026-11-30T12:00:00.4Z",
        "action": action,
        "target": {
            "mediaType": MANIFEST,
            "digest": digest,
            "size": 708,
            "length": 708,
            "repository": "team/app",
            "url": f"http://{REGISTRY}/v2/team/app/manifests/{digest}",
            "tag": tag,
            "references": [
                {"mediaType": CONFIG, "digest": OTHER, "size": 5},
                {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": OTHER, "size": 5},
            ],
            **target,
        },
        "request": {
            "id": "6df24a34",
            "addr": "192.168.64.11:42961",
            "host": REGISTRY,
            "method": "PUT",
            "useragent": "x",
        },
        "actor": {"name": "somebody"},
        "source": {"addr": "xtal.local:5000", "instanceID": "a53db899"},
    }


def harbor(kind="PUSH_ARTIFACT", digest=DIGEST, tag="v1", **more):
    return {
        "type": kind,
        "occur_at": 1680501893,
        "operator": "admin",
        "event_data": {
            "resources": [{"digest": digest, "tag": tag, "resource_url": f"{REGISTRY}/team/app:{tag}"}],
            "repository": {
                "date_created": 1,
                "name": "app",
                "namespace": "team",
                "repo_full_name": "team/app",
                "repo_type": "private",
            },
        },
        **more,
    }


def cloud(kind="harbor.artifact.pushed"):
    event = harbor()
    return {
        "specversion": "1.0",
        "id": "66c1c0f4-5e5b-4b7c-8b5e-0c2e2cd5d2a1",
        "requestid": "x",
        "source": "/projects/2/webhook/policies/15",
        "type": kind,
        "datacontenttype": "application/json",
        "time": "2026-11-30T12:00:00Z",
        "operator": "robot$library",
        "data": event["event_data"],
    }


@pytest.fixture
def notified(open_door):
    door = open_door(events=EVENTS)
    door.send = lambda *events, **more: send(door, *events, **more)
    return door


def send(door, *events, path="/events/registry", kind=DOCKER_TYPE, secret=SECRET, body=None):
    headers = {"Content-Type": kind, **({"Authorization": secret} if secret is not None else {})}
    return door.ask("POST", path, json=body or {"events": list(events)}, headers=headers)


def send_harbor(door, body, **more):
    return send(door, path="/events/harbor", kind="application/json", body=body, **more)


def jobs(door):
    return {job.place.reference for job in door.store.jobs(Paging()).items}


class TestSecret:
    @pytest.mark.parametrize("secret", [SECRET, f"Bearer {SECRET}"])
    def test_whoever_knows_it_may_send(self, notified, secret):
        assert notified.send(push(), secret=secret).json() == {"accepted": 1, "ignored": 0}

    @pytest.mark.parametrize("secret", [None, "", "Bearer ", SECRET[:-1], SECRET + "x", f"Basic {SECRET}", "ä"])
    def test_nobody_else(self, notified, secret):
        secret = None if secret is None else secret.encode()
        for answer in (notified.send(push(), secret=secret), send_harbor(notified, harbor(), secret=secret)):
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "wrong-secret"
        assert jobs(notified) == set()

    def test_without_a_secret_in_the_settings_nobody_at_all(self, door):
        for secret in (None, "", "Bearer "):
            assert send(door, push(), secret=secret).status_code == 401
            assert send_harbor(door, harbor(), secret=secret).status_code == 401

    def test_a_token_is_no_secret_and_the_secret_no_token(self, notified):
        assert (
            notified.get("/v1/jobs", headers={"Authorization": f"Bearer {SECRET}"}).status_code == 200
        )  # no tokens yet
        notified.store.add_token(b"x" * 32, name="", scopes=("admin",), expires=None)
        notified.service.tokens._any = (0.0, False)
        assert notified.get("/v1/jobs", headers={"Authorization": f"Bearer {SECRET}"}).status_code == 401


class TestDocker:
    def test_a_push_is_scanned(self, notified):
        assert notified.send(push()).json() == {"accepted": 1, "ignored": 0}
        (job,) = notified.store.jobs(Paging()).items
        assert (job.place.reference, job.place.tag, job.source) == (f"{REGISTRY}/team/app@{DIGEST}", "v1", "push")
        assert job.plain_http is True

    def test_the_same_again_is_one_scan(self, notified):
        assert notified.send(push(), push()).json() == {"accepted": 1, "ignored": 1}
        notified.send(push())
        assert len(jobs(notified)) == 1
        notified.work()
        notified.send(push(tag="v2"))
        assert notified.store.counts().jobs["done"] == 1
        assert notified.store.counts().jobs["waiting"] == 0

    @pytest.mark.parametrize(
        "event",
        [
            push(action="pull"),
            push(action="mount"),
            push(mediaType="application/octet-stream"),
            push(mediaType=""),
            push(digest=""),
            push(digest="sha256:1"),
            push(repository="../etc"),
            push(repository="a\u0000b"),
            push(tag="sha256-" + "c" * 64),
            push(tag="sha256-" + "c" * 64 + ".sig"),
            push(references=[{"mediaType": "application/vnd.oci.empty.v1+json"}]),
            push(references=[{"mediaType": "application/vnd.cncf.helm.config.v1+json"}]),
            push(references=[{"mediaType": CONFIG}, {"mediaType": "application/vnd.in-toto+json"}]),
            push(url="http://169.254.169.254/v2/team/app/manifests/x"),
            push(url="http://127.0.0.1:5001/v2/team/app/manifests/x"),
            push(url=1),
            {},
            [],
            None,
            "push",
            {"action": "push"},
            {"action": "push", "target": None},
        ],
    )
    def test_what_does_not_count_is_answered_well(self, notified, event):
        answer = notified.send(event)
        assert answer.status_code == 200
        assert answer.json() == {"accepted": 0, "ignored": 1}
        assert jobs(notified) == set()

    def test_one_bad_event_keeps_no_other_back(self, notified):
        answer = notified.send(push(digest="x"), {"action": 1}, push(), push(digest=OTHER))
        assert answer.json() == {"accepted": 2, "ignored": 2}
        assert len(jobs(notified)) == 2

    def test_the_settings_may_know_the_registrys_name_better(self, open_door):
        events = EventSettings(registry_secret=SECRET, registry="127.0.0.1:7000")
        door = open_door(events=events, registries=RegistrySettings(allow=("127.0.0.1:7000",)))
        assert send(door, push(url="", mediaType=MANIFEST)).json()["accepted"] == 1
        assert jobs(door) == {f"127.0.0.1:7000/team/app@{DIGEST}"}

    def test_a_deleted_image_leaves_the_list(self, notified):
        notified.send(push())
        notified.work()
        assert notified.store.images(Paging()).total == 1
        gone = push(action="delete")
        gone["target"] = {"digest": DIGEST, "repository": "team/app"}
        gone["request"]["host"] = REGISTRY
        assert notified.send(gone).json() == {"accepted": 1, "ignored": 0}
        assert notified.store.images(Paging()).total == 0
        assert notified.store.latest(DIGEST) is not None

    @pytest.mark.parametrize("body", [{"events": "x"}, [], {"events": {}}])
    def test_a_body_that_is_none(self, notified, body):
        headers = {"Authorization": SECRET, "Content-Type": DOCKER_TYPE}
        assert notified.ask("POST", "/events/registry", json=body, headers=headers).status_code == 400

    def test_a_full_queue_lets_the_registry_send_again(self, open_door):
        door = open_door(events=EVENTS, limits=WebLimits(queue=1))
        assert send(door, push(), push(digest=OTHER)).status_code == 429


class TestHarbor:
    @pytest.mark.parametrize("body", [harbor(), cloud(), harbor("pushImage")])
    def test_a_push_is_scanned(self, notified, body):
        kind = "application/cloudevents+json; charset=UTF-8" if "specversion" in body else "application/json"
        answer = send(notified, path="/events/harbor", kind=kind, body=body)
        assert answer.json() == {"accepted": 1, "ignored": 0}
        assert jobs(notified) == {f"{REGISTRY}/team/app@{DIGEST}"}

    @pytest.mark.parametrize(
        "body",
        [
            harbor("PULL_ARTIFACT"),
            harbor("SCANNING_COMPLETED"),
            harbor("QUOTA_EXCEED"),
            cloud("harbor.scan.completed"),
            cloud("harbor.artifact.pulled"),
            harbor(digest=""),
            harbor(event_data={}),
            harbor(event_data=None),
            {"type": "PUSH_ARTIFACT"},
            {"type": "something new", "specversion": "1.0", "data": {}},
            {"specversion": "1.0", "type": "harbor.artifact.pushed", "event_data": harbor()["event_data"]},
        ],
    )
    def test_what_does_not_count_is_answered_well(self, notified, body):
        answer = send_harbor(notified, body)
        assert answer.json() == {"accepted": 0, "ignored": 1}
        assert jobs(notified) == set()

    def test_several_images_of_one_event(self, notified):
        body = harbor()
        more = copy.deepcopy(body["event_data"]["resources"][0]) | {"digest": OTHER, "tag": OTHER}
        body["event_data"]["resources"].append(more)
        assert send_harbor(notified, body).json() == {"accepted": 2, "ignored": 0}
        assert {job.place.tag for job in notified.store.jobs(Paging()).items} == {"v1", ""}

    def test_a_deleted_image_leaves_the_list(self, notified):
        send_harbor(notified, harbor())
        assert send_harbor(notified, harbor("DELETE_ARTIFACT")).json()["accepted"] == 1
        assert notified.store.images(Paging()).total == 0


class TestRules:
    def test_decide_what_is_scanned_and_who_is_told(self, open_door):
        target = Target(name="chat", kind=DeliveryKind.WEBHOOK, url="https://chat.example.com", secret="s" * 16)
        rules = (
            Rule(repository="team/*", tag="v*", scanners=("vuln", "secret"), deliver=("chat",), priority=5),
            Rule(scan=False),
        )
        door = open_door(events=EVENTS, rules=rules, targets=(target,))
        assert send(door, push(), push(digest=OTHER, tag="latest")).json() == {"accepted": 1, "ignored": 1}
        (job,) = door.store.jobs(Paging()).items
        assert (set(job.scanners), job.priority) == ({"vuln", "secret"}, 5)
        assert [one.target for one in door.store.deliveries(Paging()).items] == ["chat"]

    def test_events_are_counted(self, notified):
        notified.send(push(), push(action="pull"))
        text = notified.get("/metrics").text
        assert 'rafsight_events_total{kind="registry",outcome="scan"} 1\n' in text
        assert 'rafsight_events_total{kind="registry",outcome="ignored"} 1\n' in text
