"""The ingress as a Ray Serve deployment: builds the service from the configuration and keeps it up to date.

The shell only; what a request means is decided in the modules beneath.
"""

import asyncio
import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from hybrid_api import cost, serve_config
from hybrid_serving.cloud import autoscale, logs, mounts
from hybrid_serving.cloud.held import Held
from hybrid_serving.cloud.ingress import networks, routes, terms
from hybrid_serving.cloud.ingress.accounts import Accounts
from hybrid_serving.cloud.ingress.auth import ApiKeys
from hybrid_serving.cloud.ingress.counts import Counts
from hybrid_serving.cloud.ingress.history import History
from hybrid_serving.cloud.ingress.mounted import MountedFolder
from hybrid_serving.cloud.ingress.segments import Segment
from hybrid_serving.cloud.ingress.service import Service
from hybrid_serving.cloud.ingress.signing import SigningKeys
from hybrid_serving.cloud.ingress.watch import watch
from hybrid_serving.cloud.metrics import RayMeter


class Ingress:
    """One ingress replica; Serve calls `reconfigure` before any request."""

    def __init__(self, args: Mapping[str, Any], *handles: DeploymentHandle) -> None:
        logs.join_serve(source=serve_config.INGRESS)
        fixed = serve_config.read_fixed(args)
        specs = fixed.spec.segments
        folder = mounts.folder(os.environ)
        self._counts = Counts(meter=Held(inner=RayMeter()))
        self._segments = {spec.name: Segment(spec.name, handle) for spec, handle in zip(specs, handles, strict=True)}
        self._service = Service(
            facts=networks.read(fixed),
            runners=self._segments,
            keys=ApiKeys(
                MountedFolder(folder / "api-keys"), is_required=fixed.spec.ingress.api_keys_secret_ref is not None
            ),
            signing=SigningKeys(MountedFolder(folder / "signing")),
            accounts=Accounts(
                segments=list(self._segments),
                resources={spec.name: cost.Resources(cpu_cores=Decimal(spec.engine.threads)) for spec in specs},
                counts=self._counts,
            ),
        )
        self._history = History(self._counts, service=fixed.name, mounts=folder)

    def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Take over the tunable half; requests under way keep the terms they were admitted under."""
        tunable = serve_config.read_tunable(user_config)
        self._service.terms = terms.read(tunable, sizes=self._service.facts.sizes)
        budgets = tunable.spec.cost.budgets if tunable.spec.cost else ()
        self._history.reprice(tunable.prices, budgets=budgets)

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What the scaling policy is told: work that no denoiser knows of yet."""
        self._history.tell()
        return autoscale.ingress_statistics(self._service.admission.promised_rows())

    async def __serve_build_asgi_app__(self) -> FastAPI:
        self._watching = asyncio.create_task(watch(self._service, self._segments, count_replicas=_running_replicas))
        return routes.create(self._service, adds_request_id=False)

    def __del__(self) -> None:
        """Write what no ledger has yet, as far as the start got."""
        if history := getattr(self, "_history", None):
            history.close()


def compose(args: dict[str, Any], *, denoiser: serve.Deployment) -> serve.Application:
    """An ingress over one `denoiser` deployment a segment; each is told the fixed half and which segment it is."""
    fixed = serve_config.read_fixed(args)
    names = [segment.name for segment in fixed.spec.segments]
    segments = [denoiser.options(name=name).bind(args, name) for name in names]
    ingress = serve.deployment(serve.ingress()(Ingress), name=serve_config.INGRESS)
    application: serve.Application = ingress.bind(args, *segments)
    return application


def _running_replicas() -> dict[str, int]:
    """Running replicas by deployment of this application."""
    application = serve.status().applications[serve.get_replica_context().app_name]
    return {name: deployment.replica_states.get("RUNNING", 0) for name, deployment in application.deployments.items()}
