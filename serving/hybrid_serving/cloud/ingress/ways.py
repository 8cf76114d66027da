"""Which segments a trajectory visits: all of them, those before the device, or those that stand in for it.

Pure. The device's part begins with the first `Edge` segment; where the resource has none, with the last segment.
"""

from collections.abc import Sequence

from hybrid_api.segments import Steps
from hybrid_serving.cloud.ingress.dispatch import Leg, legs
from hybrid_serving.cloud.ingress.errors import ApiError
from hybrid_serving.cloud.ingress.facts import Segment
from hybrid_serving.cloud.ingress.orders import Order
from hybrid_serving.cloud.ingress.planning import widest


def through(order: Order, *, segments: Sequence[Segment]) -> tuple[Leg, ...]:
    """The whole trajectory, in the cloud."""
    return legs([segment.name for segment in segments], boundaries=order.plan.stops, steps=order.steps)


def out(order: Order, *, segments: Sequence[Segment]) -> tuple[Leg, ...]:
    """Up to the device; where the split is 0, the first segment only encodes the text."""
    index = _device(segments)
    stop = order.plan.stops[index - 1]
    if stop == order.steps:
        message = f"`split` is {stop} of {order.steps} steps, which leaves nothing to a device; expected a lower one."
        raise ApiError(message, code="invalid_value", param="split")
    names = [segment.name for segment in segments[:index]]
    return legs(names, boundaries=order.plan.stops[: index - 1], steps=stop) or (Leg(names[0], 0),)


def home(position: int, *, order: Order, segments: Sequence[Segment], shares: Sequence[Steps]) -> tuple[Leg, ...]:
    """From where a handoff stands to the end, on the cloud workers of the device's segments."""
    index = _device(segments)
    stops = widest(shares, steps=order.steps)
    names = [segment.name for segment in segments[index:]]
    return legs(names, boundaries=stops[index:], steps=order.steps, start=position)


def _device(segments: Sequence[Segment]) -> int:
    """Index of the first segment that a device can run."""
    if len(segments) == 1:
        raise ApiError("This service has one segment, so there is nothing to hand over.", code="unsupported_parameter")
    return next((i for i, segment in enumerate(segments) if segment.runs_on == "Edge"), len(segments) - 1)
