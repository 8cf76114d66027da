"""The part of a resource's status beside its conditions: where it answers, what serves, which engines were built. Pure.

Nothing here moves by itself but the number of workers, which autoscalers read.
"""

from typing import Any

from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_operator import kinds, manifests, trouble
from hybrid_operator.children import LABEL_REVISION, LABEL_SEGMENT, Children, label
from hybrid_operator.observed import Rejected, Stage
from hybrid_operator.rollout import Plan

Manifest = dict[str, Any]


def summary(hd: HybridDiffusion, *, children: Children, plan: Plan) -> Manifest:
    """Status without conditions; what is not known is left out."""
    segments = [_segment(each.name, children, revision=plan.updating or plan.serving) for each in hd.spec.segments]
    first = hd.spec.segments[0].name
    return {
        "replicas": len(children.ready_pods(plan.serving, segment=first)),
        "selector": manifests.selector(hd),
        "url": manifests.url(hd),
        "segments": segments,
        "revisions": _revisions(plan),
    }


def _revisions(plan: Plan) -> Manifest:
    found: Manifest = {"serving": plan.serving, "updating": plan.updating}
    if plan.rejected:
        found["rejected"] = _rejected(plan.rejected)
    return {name: value for name, value in found.items() if value}


def _rejected(rejected: Rejected) -> Manifest:
    said = {"revision": rejected.revision, "reason": rejected.reason, "message": rejected.message[:1024]}
    return {**said, "retry": rejected.retry} if rejected.retry else said


def _segment(name: str, children: Children, *, revision: str) -> Manifest:
    """What the segment's Job said last; nothing where no Job builds its engines."""
    jobs = [
        job
        for job in children.owned(kinds.JOB)
        if label(job, LABEL_REVISION) == revision and label(job, LABEL_SEGMENT) == name
    ]
    if not jobs:
        return {"name": name}
    pods = children.pods_of(jobs[0])
    stage, failure = trouble.of_job(jobs[0], pods=pods)
    if failure:
        return {"name": name, "message": failure.message}
    said = trouble.result(pods)
    return {"name": name, "engine": said} if stage is Stage.DONE and said else {"name": name}
