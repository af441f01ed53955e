"""Makes the manifest of a KubeRay RayJob, which runs a sweep on Kubernetes in a Ray cluster of its own.

The RayJob creates a Ray cluster, runs the command on its head and deletes the cluster. A retry creates a new cluster and
runs the same command on the same folder, so it trains the points that are left.

The manifest has only the names of Secrets. KubeRay itself makes the token of the cluster; the keys of the object store are
in Secrets that exist already. The plan and the builder are in the image, which cluster/Dockerfile describes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

# A DNS label of RFC 1035, and a DNS subdomain of RFC 1123, as Kubernetes checks them.
_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
RETRYABLE = ("python", "-m", "cluster.submit.retryable")
"""The words before the command: they make it fail only if another cluster may do better."""

# KubeRay's limit, because it makes longer names from this one.
NAME_LENGTH = 47


@dataclass(frozen=True)
class RayJob:
    """A sweep as a RayJob.

    Attributes:
        name: of the RayJob; a DNS label.
        image: contains this project, the plan and its builder; all pods use it.
        command: program and arguments, run on the head.
        ray_version: the version in the image; token authentication needs 2.52.
        workers: the number of pods that train; the head does not train.
        max_workers: the most workers that the autoscaler may start; no autoscaler if None.
        cpus: cores of each pod.
        gpus: GPUs of each worker.
        mem_gb: memory of each pod, in GiB.
        secrets: Secrets whose keys become environment variables of all pods.
        token_secret: a Secret with the cluster's token under the key `auth_token`; KubeRay makes one if None.
        retries: how many further clusters to create if a cluster is lost or the command stops before its end.
        ttl_s: seconds after which a finished job's cluster is deleted.
        deadline_s: seconds after which the job is ended; none if None.
        environment: variables of all pods; the manifest shows them, so they must not be secrets.

    Raises:
        ValueError: Kubernetes or KubeRay would refuse a value.
    """

    name: str
    image: str
    command: Sequence[str]
    ray_version: str
    workers: int = 1
    max_workers: int | None = None
    cpus: int = 2
    gpus: int = 0
    mem_gb: int = 8
    secrets: Sequence[str] = ()
    token_secret: str | None = None
    retries: int = 3
    ttl_s: int = 600
    deadline_s: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _LABEL.fullmatch(self.name) or len(self.name) > NAME_LENGTH:
            raise ValueError(
                f'name got "{self.name}", but needs at most {NAME_LENGTH} lower-case letters, digits and -, the first '
                "a letter."
            )
        if not _IMAGE.fullmatch(self.image):
            raise ValueError(f"image got {self.image!r}, but needs a name like registry/repository:tag.")
        for secret in [*self.secrets, *([self.token_secret] if self.token_secret is not None else [])]:
            if not _SUBDOMAIN.fullmatch(secret) or len(secret) > 253:
                # The message does not show the value: a user may have given the secret itself, which must not be logged.
                raise ValueError(
                    "A secret's name may have only lower-case letters, digits, '-' and '.'. Name the Secret, not its value."
                )
        least = {"workers": 0, "cpus": 1, "gpus": 0, "mem_gb": 1, "retries": 0, "ttl_s": 0}
        for name, lowest in least.items():
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} got {getattr(self, name)}, but needs at least {lowest}.")
        if self.deadline_s is not None and self.deadline_s < 1:
            raise ValueError(f"deadline_s got {self.deadline_s}, but needs at least 1, or none.")
        if self.max_workers is None and not self.workers:
            raise ValueError(
                "workers got 0, so nothing would train. Ask for at least 1, or set max_workers for the autoscaler."
            )
        if self.max_workers is not None and self.max_workers < max(1, self.workers):
            raise ValueError(
                f"max_workers got {self.max_workers}, but needs at least the {max(1, self.workers)} of workers."
            )

    def manifest(self) -> dict[str, Any]:
        """Return the RayJob as Kubernetes' plain data."""
        spec: dict[str, Any] = {
            # Ray passes it to a shell.
            "entrypoint": shlex.join([*RETRYABLE, *self.command]),
            "submissionMode": "K8sJobMode",
            "backoffLimit": self.retries,
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": self.ttl_s,
        }
        if self.deadline_s is not None:
            spec["activeDeadlineSeconds"] = self.deadline_s
        spec["rayClusterSpec"] = self._cluster()
        labels = {"app.kubernetes.io/name": "keras-grid-sweep"}
        return {
            "apiVersion": "ray.io/v1",
            "kind": "RayJob",
            "metadata": {"name": self.name, "labels": labels},
            "spec": spec,
        }

    def to_yaml(self) -> str:
        """Return `manifest` as the text of a file."""
        return yaml.safe_dump(self.manifest(), sort_keys=False, width=110)

    def _cluster(self) -> dict[str, Any]:
        auth = {"mode": "token"} | (
            {"secretName": self.token_secret} if self.token_secret is not None else {}
        )
        cluster: dict[str, Any] = {"rayVersion": self.ray_version, "authOptions": auth}
        if self.max_workers is not None:
            cluster |= {"enableInTreeAutoscaling": True, "autoscalerOptions": {"idleTimeoutSeconds": 60}}
        ports = [("gcs-server", 6379), ("dashboard", 8265), ("client", 10001)]
        head = self._container("ray-head", 0)
        head["ports"] = [{"name": name, "containerPort": port} for name, port in ports]
        cluster["headGroupSpec"] = {
            # The driver is on the head; a trial that filled the head's memory would end the sweep.
            "rayStartParams": {"num-cpus": "0"},
            "template": _pod(head),
        }
        cluster["workerGroupSpecs"] = [
            {
                "groupName": "workers",
                "replicas": self.workers,
                "minReplicas": self.workers,
                "maxReplicas": self.workers if self.max_workers is None else self.max_workers,
                "rayStartParams": {},
                "template": _pod(self._container("ray-worker", self.gpus)),
            }
        ]
        return cluster

    def _container(self, name: str, gpus: int) -> dict[str, Any]:
        # Requests equal limits: Ray schedules by the limits, and Kubernetes evicts pods that use more than they requested.
        amounts = {"cpu": str(self.cpus), "memory": f"{self.mem_gb}Gi"}
        amounts |= {"nvidia.com/gpu": str(gpus)} if gpus else {}
        environment = {"RAY_USAGE_STATS_ENABLED": "0", **self.environment}
        container: dict[str, Any] = {
            "name": name,
            "image": self.image,
            "env": [{"name": key, "value": value} for key, value in environment.items()],
            "resources": {"requests": dict(amounts), "limits": amounts},
        }
        if self.secrets:
            container["envFrom"] = [{"secretRef": {"name": secret}} for secret in self.secrets]
        return container


def _pod(container: dict[str, Any]) -> dict[str, Any]:
    # KubeRay and its autoscaler replace pods; a pod that restarted would no longer be a node of the cluster.
    return {"spec": {"restartPolicy": "Never", "containers": [container]}}
