"""A stand-in for the serving application with the same deployments: it answers who it is and what it was told.

Run as a program, it serves one document after the other on a local Ray and prints what every deployment says, a line of
JSON a document. The contract test that runs it needs a process of its own: Ray is once in a process.
"""

import json
import os
import sys
import time
import warnings
from typing import Any

warnings.simplefilter("ignore")  # Ray declares its own models in a way that pydantic deprecates

import ray  # noqa: E402  after the filter
from ray import serve  # noqa: E402
from ray.serve.context import _get_global_client  # noqa: E402
from ray.serve.schema import ServeDeploySchema  # noqa: E402

APPLICATION = "shapes"
_LIMIT_SECONDS = 120.0


class Node:
    """Any deployment of the application."""

    def __init__(self, *_: Any) -> None:
        self._steps = 0

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        self._steps = user_config["spec"]["requests"]["defaults"]["steps"]

    async def describe(self) -> dict[str, int]:
        return {"pid": os.getpid(), "steps": self._steps}

    async def __call__(self, request: Any) -> str:
        return "ok"


def build(args: dict[str, Any]) -> serve.Application:
    names = [segment["name"] for segment in args["spec"]["segments"]]
    segments = [serve.deployment(Node).options(name=name).bind() for name in names]
    return serve.deployment(Node).options(name="Ingress").bind(*segments)


def policy(contexts: dict[Any, Any]) -> tuple[dict[Any, int], dict[Any, Any]]:
    """Wants two workers of everything; Serve applies the bounds."""
    return dict.fromkeys(contexts, 2), {}


def _apply(document: dict[str, Any]) -> dict[str, Any]:
    """Deploy `document`, wait until its bounds are met, ask every deployment."""
    _get_global_client().deploy_apps(ServeDeploySchema.model_validate(document))
    (application,) = document["applications"]
    bounds = {each["name"]: each["autoscaling_config"] for each in application["deployments"]}
    wanted = {name: max(each["min_replicas"], min(2, each["max_replicas"])) for name, each in bounds.items()}
    deadline = time.monotonic() + _LIMIT_SECONDS
    while (found := _ask(wanted)) is None or not _is_done(found, wanted, document):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{serve.status()}")
        time.sleep(0.2)
    return found


def _is_done(found: dict[str, Any], wanted: dict[str, int], document: dict[str, Any]) -> bool:
    user_config = document["applications"][0]["deployments"][0]["user_config"]
    steps = user_config["spec"]["requests"]["defaults"]["steps"]
    return all(
        len(found[name]["pids"]) == number and found[name]["steps"] == [steps] for name, number in wanted.items()
    )


def _ask(wanted: dict[str, int]) -> dict[str, Any] | None:
    status = serve.status().applications.get(APPLICATION)
    if status is None or status.status != "RUNNING":
        return None
    counts = {name: dict(each.replica_states) for name, each in status.deployments.items()}
    if any(counts.get(name) != {"RUNNING": number} for name, number in wanted.items()):
        return None
    answers = {
        name: serve.get_deployment_handle(name, APPLICATION).broadcast("describe").results(timeout_s=10)
        for name in wanted
    }
    return {
        name: {"pids": sorted(each["pid"] for each in said), "steps": sorted({each["steps"] for each in said})}
        for name, said in answers.items()
    }


if __name__ == "__main__":
    documents = json.load(sys.stdin)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options=documents[0]["http_options"])
    for each in documents:
        sys.stdout.write(json.dumps(_apply(each)) + "\n")
        sys.stdout.flush()
    serve.shutdown()
    ray.shutdown()
