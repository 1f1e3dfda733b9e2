"""The manifests for Kubernetes: valid by its own schemas, and true to what Easel's processes do.

The resources of the Prometheus operator and of KEDA have no schema here. Only their structure is checked.
"""

from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from tests.support.paths import ROOT

KUBERNETES: Final = ROOT / "deploy/kubernetes"
LAYERS: Final = ("base", "monitoring", "autoscaling")
VERSIONS: Final = ("1.30", "1.37")


def _documents(layer: str) -> list[dict[str, Any]]:
    return [
        each for file in sorted((KUBERNETES / layer).glob("*.yaml")) for each in yaml.safe_load_all(file.read_text())
    ]


def _resources(kind: str) -> dict[str, dict[str, Any]]:
    found = [each for layer in LAYERS for each in _documents(layer) if each["kind"] == kind]
    return {each["metadata"]["name"]: each for each in found}


def _pod(deployment: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return pod


DEPLOYMENTS: Final = _resources("Deployment")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_keeps_the_schema_of_kubernetes(version: str) -> None:
    for resource in _documents("base"):
        if resource["kind"] != "Kustomization":
            kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_kustomization_names_every_file_of_its_layer(layer: str) -> None:
    [kustomization] = [each for each in _documents(layer) if each["kind"] == "Kustomization"]
    named = {name for name in kustomization["resources"] if not name.startswith("../")}
    assert named == {file.name for file in (KUBERNETES / layer).glob("*.yaml")} - {"kustomization.yaml"}
    for name in kustomization["resources"]:
        assert (KUBERNETES / layer / name).resolve().exists()


def test_images_are_those_that_the_kustomization_replaces() -> None:
    [kustomization] = [each for each in _documents("base") if each["kind"] == "Kustomization"]
    used = {container["image"] for each in DEPLOYMENTS.values() for container in _pod(each)["containers"]}
    assert used == {image["name"] for image in kustomization["images"]}


def test_pods_have_more_time_to_stop_than_easel_takes() -> None:
    drain_s = int(_resources("ConfigMap")["easel"]["data"]["EASEL_DRAIN_TIMEOUT_S"])
    for deployment in DEPLOYMENTS.values():
        assert _pod(deployment)["terminationGracePeriodSeconds"] >= drain_s + 20


def test_probes_and_services_use_ports_that_the_containers_have() -> None:
    for deployment in DEPLOYMENTS.values():
        for container in _pod(deployment)["containers"]:
            ports = {port["name"] for port in container["ports"]}
            probes = [probe for name, probe in container.items() if name.endswith("Probe")]
            assert {probe["httpGet"]["port"] for probe in probes} <= ports
    metrics = str(_pod(DEPLOYMENTS["easel-worker"])["containers"][0]["ports"][0]["containerPort"])
    assert _resources("ConfigMap")["easel"]["data"]["EASEL_METRICS_PORT"] == metrics


def test_selectors_find_the_pods() -> None:
    labels = [deployment["spec"]["template"]["metadata"]["labels"] for deployment in DEPLOYMENTS.values()]
    selectors = [each["spec"]["selector"] for each in _resources("Service").values()]
    for kind in ("Deployment", "PodDisruptionBudget", "PodMonitor"):
        selectors += [each["spec"]["selector"]["matchLabels"] for each in _resources(kind).values()]
    for selector in selectors:
        assert any(selector.items() <= each.items() for each in labels), selector


def test_every_container_is_confined() -> None:
    for deployment in DEPLOYMENTS.values():
        assert _pod(deployment)["securityContext"]["runAsNonRoot"] is True
        for container in _pod(deployment)["containers"]:
            confined = container["securityContext"]
            assert confined["readOnlyRootFilesystem"]
            assert not confined["allowPrivilegeEscalation"]
            assert confined["capabilities"] == {"drop": ["ALL"]}
            assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}


def test_an_upgrade_starts_a_web_process_before_it_stops_one() -> None:
    assert DEPLOYMENTS["easel-web"]["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_autoscaler_scales_the_workers_by_a_metric_that_exists() -> None:
    [scaled] = _resources("ScaledObject").values()
    assert scaled["spec"]["scaleTargetRef"]["name"] in DEPLOYMENTS
    [trigger] = scaled["spec"]["triggers"]
    reference = Path(ROOT / "docs/reference/metrics.md").read_text()
    assert "easel_queue_tasks" in trigger["metadata"]["query"]
    assert "`easel_queue_tasks`" in reference
