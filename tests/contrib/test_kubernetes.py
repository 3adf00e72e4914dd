"""The service on Kubernetes: manifests are rendered, held against the fields that there are, against the profile
`restricted` of the Pod Security Standards, and against each other."""

import re
import shutil
import subprocess
from itertools import chain

import pytest
import yaml
from tests.contrib.runners import CONTRIB, load
from tests.contrib.services import IMAGE, PROBES, RELEASE, SETTINGS, parse, settings_of

FOLDER = CONTRIB / "kubernetes"
META = {"name": str, "namespace": str, "labels": {"*": str}, "annotations": {"*": str}}
SELECTOR = {"matchLabels": {"*": str}, "matchExpressions": [{"key": str, "operator": str, "values": [str]}]}
PROBE = {
    "httpGet": {"path": str, "port": (str, int)},
    **dict.fromkeys(("periodSeconds", "timeoutSeconds", "failureThreshold", "initialDelaySeconds"), int),
}
CONTAINER = {
    "name": str,
    "image": str,
    "args": [str],
    "command": [str],
    "env": [{"name": str, "value": str}],
    "ports": [{"name": str, "containerPort": int, "protocol": str}],
    "resources": {"requests": {"*": str}, "limits": {"*": str}},
    "securityContext": {
        "allowPrivilegeEscalation": bool,
        "readOnlyRootFilesystem": bool,
        "capabilities": {"drop": [str]},
    },
    "volumeMounts": [{"name": str, "mountPath": str, "readOnly": bool}],
    **dict.fromkeys(("startupProbe", "livenessProbe", "readinessProbe"), PROBE),
}
ITEMS = [{"key": str, "path": str}]
POD = {
    "restartPolicy": str,
    "serviceAccountName": str,
    "automountServiceAccountToken": bool,
    "enableServiceLinks": bool,
    "terminationGracePeriodSeconds": int,
    "securityContext": {
        "runAsNonRoot": bool,
        **dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), int),
        "fsGroupChangePolicy": str,
        "seccompProfile": {"type": str},
    },
    "topologySpreadConstraints": [
        {"maxSkew": int, "topologyKey": str, "whenUnsatisfiable": str, "labelSelector": SELECTOR}
    ],
    "containers": [CONTAINER],
    "volumes": [
        {
            "name": str,
            "configMap": {"name": str, "items": ITEMS, "defaultMode": int},
            "secret": {"secretName": str, "optional": bool, "items": ITEMS, "defaultMode": int},
            "persistentVolumeClaim": {"claimName": str, "readOnly": bool},
            "emptyDir": {"sizeLimit": str, "medium": str},
        }
    ],
}
TEMPLATE = {"metadata": META, "spec": POD}
JOB = {"backoffLimit": int, "activeDeadlineSeconds": int, "ttlSecondsAfterFinished": int, "template": TEMPLATE}
PEERS = [
    {"namespaceSelector": SELECTOR, "podSelector": SELECTOR, "ipBlock": {"cidr": str, "except": [str]}},
]
PORTS = [{"port": (str, int), "protocol": str}]
KINDS = {
    ("v1", "Namespace"): {},
    ("v1", "ServiceAccount"): {"automountServiceAccountToken": bool},
    ("v1", "ConfigMap"): {"data": {"*": str}},
    ("v1", "PersistentVolumeClaim"): {
        "spec": {"accessModes": [str], "storageClassName": str, "resources": {"requests": {"*": str}}}
    },
    ("v1", "Service"): {
        "spec": {
            "type": str,
            "selector": {"*": str},
            "ports": [{"name": str, "port": int, "targetPort": (str, int), "protocol": str}],
        }
    },
    ("apps/v1", "Deployment"): {
        "spec": {
            "replicas": int,
            "revisionHistoryLimit": int,
            "selector": SELECTOR,
            "strategy": {"type": str, "rollingUpdate": {"maxUnavailable": int, "maxSurge": int}},
            "template": TEMPLATE,
        }
    },
    ("batch/v1", "CronJob"): {
        "spec": {
            "schedule": str,
            "concurrencyPolicy": str,
            **dict.fromkeys(("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"), int),
            "jobTemplate": {"spec": JOB},
        }
    },
    ("batch/v1", "Job"): {"spec": JOB},
    ("policy/v1", "PodDisruptionBudget"): {
        "spec": {"minAvailable": int, "unhealthyPodEvictionPolicy": str, "selector": SELECTOR}
    },
    ("networking.k8s.io/v1", "NetworkPolicy"): {
        "spec": {
            "podSelector": SELECTOR,
            "policyTypes": [str],
            "ingress": [{"from": PEERS, "ports": PORTS}],
            "egress": [{"to": PEERS, "ports": PORTS}],
        }
    },
}
"""The fields that we use, of those that Kubernetes 1.29 has; another one is a mistake or belongs here first."""


def check_fields(value, form, where):
    """See that a value has no field that there is not, and none of another type."""
    if isinstance(form, dict):
        assert isinstance(value, dict), where
        for name, one in value.items():
            assert name in form or "*" in form, f"{where}.{name}"
            check_fields(one, form.get(name, form.get("*")), f"{where}.{name}")
    elif isinstance(form, list):
        assert isinstance(value, list), where
        for one in value:
            check_fields(one, form[0], f"{where}[]")
    else:
        assert isinstance(value, form), where
        assert not isinstance(value, bool) or form is bool, where


def render():
    """Render the kustomization: what of it we use, so that nobody needs a program for that."""
    made = load("kubernetes/kustomization.yaml")
    assert set(made) == {"apiVersion", "kind", "namespace", "labels", "resources", "images"}
    (pairs,) = [one["pairs"] for one in made["labels"]]
    (image,) = made["images"]
    documents = []
    for name in made["resources"]:
        document = yaml.safe_load((FOLDER / name).read_text())
        document["metadata"].setdefault("labels", {}).update(pairs)
        if document["kind"] != "Namespace":
            document["metadata"]["namespace"] = made["namespace"]
        for container in containers_of(document):
            if container["image"] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"
        documents.append(document)
    return documents


def template_of(document):
    """Return the template of pods of a document, if it has one."""
    spec = document.get("spec", {})
    return spec.get("jobTemplate", {}).get("spec", spec).get("template")


def containers_of(document):
    template = template_of(document)
    return [] if template is None else template["spec"]["containers"]


RENDERED = render()
FIRST_TOKEN = load("kubernetes/first-token.yaml")
ALL = [*RENDERED, FIRST_TOKEN]
PODS = [document for document in ALL if template_of(document)]


def named(document):
    return f"{document['kind']}-{document['metadata']['name']}"


def one_of(kind, name="rafsight"):
    (found,) = [one for one in RENDERED if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


@pytest.mark.parametrize("document", ALL, ids=named)
def test_every_field_is_one_that_there_is(document):
    form = {"apiVersion": str, "kind": str, "metadata": META, **KINDS[document["apiVersion"], document["kind"]]}
    check_fields(document, form, document["kind"])
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", document["metadata"]["name"])
    for value in document["metadata"].get("labels", {}).values():
        assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", value)


def test_a_wrong_field_is_noticed():
    with pytest.raises(AssertionError, match="readOnlyRootFileSystem"):
        check_fields({"readOnlyRootFileSystem": True}, CONTAINER["securityContext"], "")
    with pytest.raises(AssertionError):
        check_fields({"replicas": "2"}, {"replicas": int}, "")
    with pytest.raises(AssertionError):
        check_fields({"replicas": True}, {"replicas": int}, "")


def test_everything_is_in_the_kustomization():
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml", "first-token.yaml"}
    assert set(load("kubernetes/kustomization.yaml")["resources"]) == files
    assert len({named(one) for one in ALL}) == len(ALL)


def test_kustomize_renders_the_same():
    """Where kubectl is; nobody has to have it."""
    if program := shutil.which("kubectl"):
        done = subprocess.run([program, "kustomize", FOLDER], capture_output=True, check=True, timeout=60)
        theirs = {named(one): one for one in yaml.safe_load_all(done.stdout)}
        assert theirs == {named(one): one for one in RENDERED}


@pytest.mark.parametrize("document", PODS, ids=named)
def test_pods_are_restricted(document):
    """The profile `restricted` of the Pod Security Standards, and more."""
    pod = template_of(document)["spec"]
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == 65532
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for name in ("hostNetwork", "hostPID", "hostIPC", "hostUsers"):
        assert name not in pod
    kinds = set(chain.from_iterable(set(volume) - {"name"} for volume in pod["volumes"]))
    assert kinds <= {"configMap", "secret", "persistentVolumeClaim", "emptyDir"}
    for container in pod["containers"]:
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert own["readOnlyRootFilesystem"] is True
        assert "privileged" not in own
        assert all("hostPort" not in port for port in container.get("ports", ()))
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False  # they would be RAFSIGHT_... in the environment
    namespace = one_of("Namespace")["metadata"]["labels"]
    assert namespace["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("document", PODS, ids=named)
def test_pods_have_what_they_name(document):
    pod = template_of(document)["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    names = {named(one) for one in RENDERED}
    assert f"ServiceAccount-{pod['serviceAccountName']}" in names
    for volume in volumes.values():
        if "configMap" in volume:
            assert f"ConfigMap-{volume['configMap']['name']}" in names
        if "persistentVolumeClaim" in volume:
            assert f"PersistentVolumeClaim-{volume['persistentVolumeClaim']['claimName']}" in names
        if "emptyDir" in volume:
            assert "sizeLimit" in volume["emptyDir"]
        if "secret" in volume:
            assert volume["secret"]["defaultMode"] == 0o440
    for container in pod["containers"]:
        assert container["image"] == IMAGE
        mounts = container["volumeMounts"]
        assert {mount["name"] for mount in mounts} == set(volumes)
        assert len({mount["mountPath"] for mount in mounts}) == len(mounts)
        assert "/tmp" in {mount["mountPath"] for mount in mounts}
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        writable = {mount["mountPath"] for mount in mounts if not mount.get("readOnly")}
        assert writable <= {"/tmp", "/cache", "/advisories"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """The settings of the config map, as a file."""
    path = tmp_path_factory.mktemp("settings") / "serve.yaml"
    path.write_text(one_of("ConfigMap", "rafsight-settings")["data"]["serve.yaml"])
    return path


def mounts_of(container):
    return {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}


@pytest.mark.parametrize("document", PODS, ids=named)
def test_the_command_line_takes_the_arguments(document, settings):
    (container,) = containers_of(document)
    names, parameters = parse(container["args"], settings)
    assert (
        names == {"service": ["serve"], "advisories": ["db", "update"], "token": ["token", "create"]}[container["name"]]
    )
    if SETTINGS in container["args"]:
        assert parameters["config"] == settings
        assert mounts_of(container)["/etc/rafsight"] == "settings"


def test_the_settings_fit(settings):
    made, store = settings_of(settings)
    (container,) = containers_of(one_of("Deployment"))
    (port,) = container["ports"]
    assert (made.host, made.port) == ("0.0.0.0", port["containerPort"])
    assert store == "file:/run/rafsight/store/url"
    mounts = mounts_of(container)
    assert mounts["/run/rafsight/store"] == "store"
    assert mounts[str(made.scan.cache_dir)] == "cache"
    assert mounts[str(made.database.parents[1])] == "advisories"
    assert made.registries.allow == ()
    (updater,) = containers_of(one_of("CronJob", "rafsight-advisories"))
    assert {"name": "RAFSIGHT_CACHE_DIR", "value": str(made.database.parents[1])} in updater["env"]
    grace = template_of(one_of("Deployment"))["spec"]["terminationGracePeriodSeconds"]
    assert grace >= 2 * made.limits.shutdown


def test_probes_ask_what_there_is():
    (container,) = containers_of(one_of("Deployment"))
    ports = {port["name"] for port in container["ports"]}
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["path"] for probe in probes.values()} == PROBES
    assert {probe["port"] for probe in probes.values()} <= ports
    assert probes["livenessProbe"]["path"] == "/probe/healthy"  # a store that is away is no reason to begin again
    assert probes["readinessProbe"]["path"] == "/probe/ready"


def matches(selector, labels):
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    assert all(one["operator"] == "In" for one in selector.get("matchExpressions", ()))
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", ())
    )


def test_who_is_meant():
    labels = {named(one): template_of(one)["metadata"]["labels"] for one in PODS}
    service = labels["Deployment-rafsight"]
    deployment, budget = one_of("Deployment")["spec"], one_of("PodDisruptionBudget")["spec"]
    chosen = [
        deployment["selector"],
        budget["selector"],
        {"matchLabels": one_of("Service")["spec"]["selector"]},
        deployment["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"],
    ]
    for selector in chosen:
        assert [name for name, one in labels.items() if matches(selector, one)] == ["Deployment-rafsight"]
    assert budget["minAvailable"] < deployment["replicas"]
    assert service["app.kubernetes.io/component"] == "service"
    (port,) = one_of("Service")["spec"]["ports"]
    assert port["targetPort"] == "http"


def policies_of(labels):
    return [
        one["spec"]
        for one in RENDERED
        if one["kind"] == "NetworkPolicy" and matches(one["spec"]["podSelector"], labels)
    ]


@pytest.mark.parametrize("document", PODS, ids=named)
def test_nobody_talks_with_everybody(document):
    policies = policies_of(template_of(document)["metadata"]["labels"])
    nothing = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert nothing in policies
    (policy,) = [one for one in policies if one != nothing]
    for rule in (*policy["ingress"], *policy["egress"]):
        assert rule["ports"]
        assert rule.get("from") or rule.get("to")
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    is_updater = document["metadata"]["name"] == "rafsight-advisories"
    assert ports == ({53, 443} if is_updater else {53, 443, 5432})
    assert bool(policy["ingress"]) is not is_updater
    for rule in policy["egress"]:
        for peer in rule["to"]:
            if "ipBlock" in peer:
                assert {"169.254.0.0/16", "fe80::/10"} & set(peer["ipBlock"]["except"])


def test_no_secret_is_in_the_manifests():
    assert not any(one["kind"] == "Secret" for one in ALL)
    text = "".join(path.read_text() for path in FOLDER.glob("*.yaml"))
    assert not re.search(r"postgresql://\S*:\S*@", text)


def test_releases_agree():
    assert load("kubernetes/kustomization.yaml")["images"][0]["newTag"] == RELEASE
    assert containers_of(FIRST_TOKEN)[0]["image"] == IMAGE
