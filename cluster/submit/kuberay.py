"""Kubernetes: the manifest of a KubeRay RayJob that runs a sweep on a cluster of its own.

The RayJob makes a Ray cluster, runs the command on its head and takes the cluster down. A retry makes a new cluster and
runs the same command on the same folder, which trains the points that are left.

Secrets are named, never held: KubeRay makes the token of the cluster itself, and what the pods need to reach the store
is in Secrets that are there already. Image, plan and builder come to the pods as cluster/Dockerfile says.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

# A DNS label of RFC 1035, and a DNS subdomain of RFC 1123, as Kubernetes checks them.
_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
# KubeRay's own limit, as it makes longer names from this one.
NAME_LENGTH = 47


@dataclass(frozen=True)
class RayJob:
    """A sweep as a RayJob.

    Attributes:
        name: of the RayJob; a DNS label.
        image: holds this project, the plan and its builder; the same for all pods.
        command: program and arguments, run on the head.
        ray_version: what is installed in the image; from 2.52 there is token authentication.
        workers: pods that train; the head does not.
        max_workers: up to how many the autoscaler may go; no autoscaler if None.
        cpus: cores of each pod.
        gpus: GPUs of each worker.
        mem_gb: memory of each pod, in GiB.
        secrets: Secrets whose keys become environment variables of all pods.
        token_secret: a Secret with the cluster's token under the key `auth_token`; KubeRay makes one if None.
        retries: clusters to make after the first was lost or the command failed.
        ttl_s: seconds after which a finished job's cluster is deleted.
        deadline_s: seconds after which the job is ended; none if None.

    Raises:
        ValueError: a value that Kubernetes or KubeRay would refuse.
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
                # Not shown: whoever takes this for the place of a secret must not find it in a log.
                raise ValueError(
                    "A secret's name needs lower-case letters, digits, - and . alone. Name the Secret, not its value."
                )
        least = {"workers": 0, "cpus": 1, "gpus": 0, "mem_gb": 1, "retries": 0, "ttl_s": 0}
        for field, lowest in least.items():
            if getattr(self, field) < lowest:
                raise ValueError(f"{field} got {getattr(self, field)}, but needs at least {lowest}.")
        if self.deadline_s is not None and self.deadline_s < 1:
            raise ValueError(f"deadline_s got {self.deadline_s}, but needs at least 1, or none.")
        if self.max_workers is None and not self.workers:
            raise ValueError(
                "workers got 0, so nothing would train. Give some, or let the autoscaler: max_workers."
            )
        if self.max_workers is not None and self.max_workers < max(1, self.workers):
            raise ValueError(
                f"max_workers got {self.max_workers}, but needs at least the {max(1, self.workers)} of workers."
            )

    def manifest(self) -> dict[str, Any]:
        """Return the RayJob as Kubernetes' plain data."""
        spec: dict[str, Any] = {
            # Ray hands it to a shell.
            "entrypoint": shlex.join(self.command),
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
            # The head has the driver; a trial that fills its memory would take the sweep with it.
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
        # Requested is what may be used: Ray hands out by the limits, and nobody is put out for having used them.
        amounts = {"cpu": str(self.cpus), "memory": f"{self.mem_gb}Gi"}
        amounts |= {"nvidia.com/gpu": str(gpus)} if gpus else {}
        container: dict[str, Any] = {
            "name": name,
            "image": self.image,
            "env": [{"name": "RAY_USAGE_STATS_ENABLED", "value": "0"}],
            "resources": {"requests": dict(amounts), "limits": amounts},
        }
        if self.secrets:
            container["envFrom"] = [{"secretRef": {"name": secret}} for secret in self.secrets]
        return container


def _pod(container: dict[str, Any]) -> dict[str, Any]:
    # KubeRay and its autoscaler make new pods; one that restarts in place is no longer a node of the cluster.
    return {"spec": {"restartPolicy": "Never", "containers": [container]}}
