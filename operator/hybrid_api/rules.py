"""The rules between fields of the resource, each as CEL for the API server and as Python beside it.

Both forms must allow the same manifests; `tests/contracts` shows it against a real API server.
"""

from collections.abc import Hashable, Sequence

from hybrid_api.model import Rule
from hybrid_api.scalars import Share

VALUE_OR_RANGE = Rule(
    cel="has(self.value) ? !has(self.min) && !has(self.max) : has(self.min) && has(self.max)",
    message="expected either `value`, or `min` and `max` together",
)

# Shares are compared as text, the shorter first: the API server counts any function of an int-or-string's text at 3 MB.
RANGE_OF_ONE_UNIT = Rule(
    cel=(
        "!has(self.min) || !has(self.max) || (type(self.min) == int && type(self.max) == int ? self.min <= self.max : "
        "type(self.min) == string && type(self.max) == string && (size(self.min) < size(self.max) || "
        "size(self.min) == size(self.max) && self.min <= self.max))"
    ),
    message="expected `min` up to `max`, both as shares or both as numbers",
)

MIN_UP_TO_MAX_REPLICAS = Rule(
    cel="self.minReplicas <= self.maxReplicas",
    message="expected `minReplicas` up to `maxReplicas`",
)

PRECISION_OF_THE_BACKEND = Rule(
    cel=(
        "!has(self.backend) || !has(self.precision) || self.backend in ['Auto', 'TensorRT'] || "
        "self.precision in ['Auto', 'F32'] || self.backend == 'OpenVINO' && self.precision == 'BF16'"
    ),
    message="expected a precision of the backend: `F32` on all, `BF16` on TensorRT and OpenVINO, `F16` on TensorRT",
)

GRAPH_OF_THE_BACKEND = Rule(
    cel=(
        "!has(self.backend) || !has(self.graph) || 'Auto' in [self.backend, self.graph] || "
        "self.backend == 'OpenVINO' || (self.backend == 'TensorRT') == (self.graph == 'Static')"
    ),
    message="expected a graph of the backend: `Static` on TensorRT and OpenVINO, `Dynamic` on all but TensorRT",
)

REPLICAS_OR_AUTOSCALING = Rule(
    cel="has(self.replicas) != has(self.autoscaling)",
    message="expected either `replicas` or `autoscaling`",
)

STEPS_ON_ALL_BUT_THE_LAST = Rule(
    cel="self.filter(s, !has(s.steps)).size() == 1 && !has(self[self.size() - 1].steps)",
    message="expected `steps` on every segment but the last, which runs what is left",
)

STARTS_IN_THE_CLOUD = Rule(
    cel="self[0].runsOn == 'Cloud'",
    message="expected the first segment to run on `Cloud`",
)

_PLACES = "self.filter(s, s.runsOn == '{0}').map(s, s.runsOn)"
EDGE_LAST = Rule(
    cel=f"self.map(s, s.runsOn) == {_PLACES.format('Cloud')} + {_PLACES.format('Edge')}",
    message="expected no `Cloud` segment after an `Edge` one, because a state that a device computed is not trusted",
)

SHARES_UP_TO_ALL = Rule(
    cel=(
        "self.map(s, !has(s.steps) ? 0 : "
        "has(s.steps.value) ? (type(s.steps.value) == string ? int(string(s.steps.value).replace('%', '')) : 0) : "
        "has(s.steps.max) && type(s.steps.max) == string ? int(string(s.steps.max).replace('%', '')) : 0"
        ").sum() <= 100"
    ),
    message="expected the segments' shares of the steps to add up to at most 100%",
)

DEFAULT_STEPS_WITHIN_LIMIT = Rule(
    cel="self.defaults.steps <= self.limits.steps",
    message="expected `defaults.steps` up to `limits.steps`",
)

DEFAULT_SIZE_AMONG_SIZES = Rule(
    cel="!has(self.defaults.size) || self.defaults.size in self.limits.sizes",
    message="expected `defaults.size` to be one of `limits.sizes`",
)

_TAKEN = ("engines", "head", "ingress")
NAME_OF_NO_OTHER_PODS = Rule(
    cel=f"!(self in {list(_TAKEN)})",
    message="expected another name than `engines`, `head` and `ingress`, which other pods have",
)

NO_REPLICAS_BESIDE_AUTOSCALING = Rule(
    cel="!has(self.replicas) || !has(self.segments[0].workers) || !has(self.segments[0].workers.autoscaling)",
    message="expected no `replicas` beside the autoscaling of the first segment, which decides itself",
)

CLAIM_FOR_ITS_TYPE = Rule(
    cel="(self.type == 'PersistentVolumeClaim') == has(self.persistentVolumeClaim)",
    message="expected `persistentVolumeClaim` exactly where `type` is `PersistentVolumeClaim`",
)

REDIS_FOR_ITS_TYPE = Rule(
    cel="(self.type == 'Redis') == has(self.redis)",
    message="expected `redis` exactly where `type` is `Redis`",
)


def is_name_of_no_other_pods(name: str) -> bool:
    """Python form of `NAME_OF_NO_OTHER_PODS`."""
    return name not in _TAKEN


def check_unique(items: Sequence[Hashable]) -> None:
    """Refuse a repetition, as the API server does for lists that are sets or maps."""
    repeated = [str(item) for index, item in enumerate(items) if item in items[:index]]
    if repeated:
        raise ValueError(f"expected each only once but `{repeated[0]}` is repeated")


def is_value_or_range(value: Share | None, low: Share | None, high: Share | None) -> bool:
    """Python form of `VALUE_OR_RANGE`."""
    return (low is None and high is None) if value else (low is not None and high is not None)


def is_range(low: Share | None, high: Share | None) -> bool:
    """Python form of `RANGE_OF_ONE_UNIT`."""
    if low is None or high is None:
        return True
    if low.percent is not None and high.percent is not None:
        return low.percent <= high.percent
    return low.number is not None and high.number is not None and low.number <= high.number


def is_precision_of(backend: str, precision: str) -> bool:
    """Python form of `PRECISION_OF_THE_BACKEND`."""
    if backend in {"Auto", "TensorRT"} or precision in {"Auto", "F32"}:
        return True
    return (backend, precision) == ("OpenVINO", "BF16")


def is_graph_of(backend: str, graph: str) -> bool:
    """Python form of `GRAPH_OF_THE_BACKEND`."""
    return "Auto" in {backend, graph} or backend == "OpenVINO" or (backend == "TensorRT") == (graph == "Static")
