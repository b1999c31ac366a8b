"""docs/fleet.md and the manifest beside it, as far as they can be checked without a cluster."""

import math
import re
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "fleet.md").read_text(encoding="utf-8")
JOB, SERVICE = yaml.safe_load_all((DOCS / "fleet-kuberay.yaml").read_text(encoding="utf-8"))
# The names of ray-operator/apis/ray/v1/{rayjob,raycluster}_types.go in KubeRay; `authOptions` is of 1.5.1.
RAY_JOB = set(re.findall(r"\w+", """
    activeDeadlineSeconds backoffLimit rayClusterSpec submitterPodTemplate metadata clusterSelector submitterConfig
    managedBy entrypoint runtimeEnvYAML jobId submissionMode entrypointResources entrypointNumCpus entrypointNumGpus
    ttlSecondsAfterFinished shutdownAfterJobFinishes suspend"""))  # fmt: skip
RAY_CLUSTER = set(re.findall(r"\w+", """
    suspend managedBy autoscalerOptions headServiceAnnotations enableInTreeAutoscaling gcsFaultToleranceOptions
    headGroupSpec rayVersion workerGroupSpecs authOptions"""))  # fmt: skip
HEAD = {"template", "headService", "enableIngress", "rayStartParams", "serviceType"}
WORKERS = set(re.findall(r"\w+", """
    suspend groupName replicas minReplicas maxReplicas idleTimeoutSeconds rayStartParams template scaleStrategy
    numOfHosts"""))  # fmt: skip


def container(group: dict[str, Any]) -> dict[str, Any]:
    (only,) = group["template"]["spec"]["containers"]
    return only


def test_the_manifest_has_fields_that_kuberay_has():
    assert (JOB["apiVersion"], JOB["kind"]) == ("ray.io/v1", "RayJob")
    assert set(JOB["spec"]) <= RAY_JOB
    cluster = JOB["spec"]["rayClusterSpec"]
    assert set(cluster) <= RAY_CLUSTER
    assert set(cluster["headGroupSpec"]) <= HEAD
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups[1:]:
        assert set(group) <= WORKERS
        assert {"groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"} <= set(group)
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        resources = container(group)["resources"]
        assert resources["requests"] == resources["limits"]  # Ray takes what a pod has from its limits
    assert len({container(group)["image"] for group in groups}) == 1


def test_the_service_leads_to_the_one_address_and_files_are_where_the_command_says():
    head = JOB["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]
    assert SERVICE["spec"]["selector"].items() <= head["metadata"]["labels"].items()
    (pod,) = head["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in pod["ports"]}
    (port,) = SERVICE["spec"]["ports"]
    assert ports[port["targetPort"]] == port["port"] == 5555
    mounted = {mount["name"]: mount["mountPath"] for mount in pod["volumeMounts"]}
    assert f"{mounted['fleet']}/cameras.yaml" in JOB["spec"]["entrypoint"]
    assert {volume["name"] for volume in head["spec"]["volumes"]} == set(mounted)


def test_the_example_of_sizing_follows_from_its_formula_and_table():
    rows = dict(re.findall(r"^\| `([bdcv])` \|[^|]*\| ([\d.]+) ms", PAGE, re.MULTILINE))
    b, d, c, v = (float(rows[name]) for name in "bdcv")

    def load(f: float, p: float = 1.5, s: float = 3, r: float = 25) -> float:
        return f * (c + b * p) + s * d + r * v

    few, many = (math.ceil(load(f)) for f in (5, 10))
    assert f"= {few}. So n = {int(850 // few)}, and {40 // int(850 // few)} workers" in PAGE
    assert f"make L = {many}, n = {int(850 // many)} and {40 // int(850 // many)} workers" in PAGE
