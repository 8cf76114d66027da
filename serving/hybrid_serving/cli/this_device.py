"""This machine as the device of a session: its keys, its model, its engines and its profile, or why it has none.

Opens what is there and measures once; builds nothing and needs no Ray.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hybrid_api.scalars import parse_size
from hybrid_engines import models
from hybrid_engines.parts import ModelError
from hybrid_engines.spec import EngineError, EngineSpec
from hybrid_serving.edge import device as devices
from hybrid_serving.edge import trust
from hybrid_serving.edge.client import Service
from hybrid_serving.edge.device import CannotFinish, Device
from hybrid_serving.edge.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class ThisDevice:
    """What the user said about this machine."""

    model_uri: str | None
    """Absent, the built-in model that the service's Edge segment is."""
    signing_key: str | None
    """`id=base64`; absent, the keys that were seen first."""
    threads: int
    folder: Path
    """For pinned keys and profiles."""

    def session(self, service: Service, *, size: str | None) -> Session:
        """A session for pictures of `size`; without a device where there can be none, and with the reason."""
        capabilities = service.capabilities()
        pins, pin = self.folder / "keys", None
        vouchers, now = _vouchers(capabilities), datetime.now(UTC)
        if self.signing_key:
            keys = trust.given(self.signing_key, vouchers=vouchers, now=now)
        else:
            offered = capabilities["signing_keys"]
            keys = trust.pinned(offered, vouchers=vouchers, url=service.url, folder=pins, now=now)
            pin = trust.pin(service.url, folder=pins)
        segments = capabilities["segments"]
        segment = next((each for each in segments if each["runs_on"] == "Edge"), segments[-1])
        device, excuse = None, ""
        try:
            device = self._open(segment["network"], size=size or capabilities["defaults"]["size"])
        except (CannotFinish, EngineError, ModelError, ValueError) as error:
            excuse = str(error)
        profile = device.profile(self.folder / "profiles") if device else None
        return Session(
            service=service, keys=keys, pin=pin, segment=segment["name"], device=device, excuse=excuse, profile=profile
        )

    def _open(self, network: str, *, size: str) -> Device:
        model = models.open_model(self.model_uri) if self.model_uri else devices.builtin_with(network)
        if model is None:
            raise CannotFinish(f"No built-in model is network {network[:12]}; give the small model with `--model`.")
        picture = parse_size(size)
        return Device.open(model, spec=EngineSpec(threads=self.threads), size=(picture.width, picture.height))


def _vouchers(capabilities: Mapping[str, Any]) -> Mapping[str, object]:
    """What keys signed, of services that tell it."""
    found = capabilities.get("signing_key_vouchers")
    return found if isinstance(found, dict) else {}
