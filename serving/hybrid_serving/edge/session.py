"""One device's dealings with one service: ask for a handoff, verify, finish, report; or give it back and say why.

The order of things only: HTTP is `client`'s, trust `trust`'s, arithmetic `finish`'s. A handoff that is not genuine is
never finished and never passed on.
"""

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from hybrid_engines.spec import EngineError
from hybrid_serving import handoff as handoffs
from hybrid_serving import pixels
from hybrid_serving.edge.client import HandedOver, Service, ServiceError
from hybrid_serving.edge.device import CannotFinish, Device
from hybrid_serving.edge.profile import DeviceProfile
from hybrid_serving.edge.trust import KeyNotBelieved
from hybrid_serving.handoff import Handoff
from hybrid_serving.keys import PublicKeys
from hybrid_serving.protocol import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A picture and how it came about."""

    picture: bytes
    """A PNG file."""
    finished_on: Literal["edge", "cloud"]
    reason: str | None
    """Why the cloud had to finish it."""
    handoff: Handoff
    handoff_bytes: int
    edge_seconds: float
    """What this device computed; 0 where the cloud finished."""
    request_seconds: float
    """From asking to holding the handoff."""
    answer: Mapping[str, Any]
    """What the service said about the picture: its answer, or that to the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A device, or the lack of one, at a service whose keys are known."""

    service: Service
    keys: PublicKeys
    segment: str
    """The segment that this device can be."""
    pin: Path | None = None
    """The file that `keys` are pinned in; `None` where they were given."""
    device: Device | None
    excuse: str = ""
    """Why there is no device."""
    profile: DeviceProfile | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def draw(self, order: Mapping[str, Any], *, on_step: Callable[[State], None] | None = None) -> Drawn:
        """One picture. Raises `HandoffError` where the answer is not a genuine handoff, `ServiceError` without one.

        A key that is not believed is no fault of the handoff, and the next would have it too: `TrustError`.
        """
        started = time.monotonic()
        given = self.service.request_handoff(order, device=asdict(self.profile) if self.profile else None)
        seconds = time.monotonic() - started
        try:
            handoff = handoffs.unpack(given.data, keys=self.keys, now=self.now())
        except handoffs.HandoffKeyUnknown as error:
            raise KeyNotBelieved(key_id=error.key_id, url=self.service.url, path=self.pin) from error
        try:
            return self._finish(handoff, given=given, request_seconds=seconds, on_step=on_step)
        except (CannotFinish, EngineError, pixels.PixelsError, MemoryError) as error:
            return self._give_back(handoff, given=given, request_seconds=seconds, reason=str(error))

    def _finish(
        self, handoff: Handoff, *, given: HandedOver, request_seconds: float, on_step: Callable[[State], None] | None
    ) -> Drawn:
        if self.device is None:
            raise CannotFinish(self.excuse)
        finished = self.device.finish(handoff, segment=self.segment, on_step=on_step)
        seconds = finished.step_seconds + finished.decode_seconds
        return Drawn(
            picture=pixels.encode(finished.pixels),
            finished_on="edge",
            reason=None,
            handoff=handoff,
            handoff_bytes=len(given.data),
            edge_seconds=seconds,
            request_seconds=request_seconds,
            answer=self._report(handoff, given=given, seconds=seconds, steps=finished.steps),
        )

    def _report(self, handoff: Handoff, *, given: HandedOver, seconds: float, steps: int) -> Mapping[str, Any]:
        """Tell the service; the picture is there, so a service that does not listen spoils nothing."""
        try:
            return self.service.report(handoff.request, given=given, seconds=seconds, steps=steps)
        except ServiceError as error:
            return {"hybrid": None, "report_failed": str(error)}

    def _give_back(self, handoff: Handoff, *, given: HandedOver, request_seconds: float, reason: str) -> Drawn:
        answer = self.service.finish_handoff(given)
        picture = base64.b64decode(answer.pop("data")[0]["b64_json"])
        return Drawn(
            picture=picture,
            finished_on="cloud",
            reason=reason or "the device ran out of memory",
            handoff=handoff,
            handoff_bytes=len(given.data),
            edge_seconds=0.0,
            request_seconds=request_seconds,
            answer=answer,
        )
