import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest

from hybrid_serving.cloud.ingress import replies
from hybrid_serving.cloud.ingress.watch import look
from hybrid_serving.keys import PublicKeys, succeeded

DESCRIBED = {
    "domain": "0123456789abcdef",
    "is_batch_invariant": True,
    "buckets": [1, 2],
    "milliseconds": {1: 10.0, 2: 12.0},
    "milliseconds_by_kind": {"step": {1: 10.0, 2: 12.0}},
}


class Denoiser:
    def __init__(self) -> None:
        self.asked = 0

    async def describe(self) -> dict:
        self.asked += 1
        return DESCRIBED


def capabilities(ask) -> replies.Capabilities:
    answer = ask("GET", "/v1/capabilities")
    assert answer.status_code == 200, answer.text
    return replies.Capabilities.model_validate(answer.json())


def test_everything_that_a_client_has_to_know_is_told(ask, mounts) -> None:
    (mounts / "signing").mkdir()
    (mounts / "signing" / "a").write_text(base64.b64encode(bytes(32)).decode())
    told = capabilities(ask)
    assert told.samplers == ["dpmpp-2m", "unipc-2", "ddim", "euler", "euler-a", "lcm"]
    assert [(size.size, size.latent_shape) for size in told.sizes] == [("64x64", [4, 8, 8]), ("128x64", [4, 8, 16])]
    assert [(segment.name, segment.runs_on) for segment in told.segments] == [("large", "Cloud"), ("small", "Edge")]
    assert (told.split.step, told.split.steps) == (10, 25)
    assert 0.5 < told.split.noise_level < 1.0
    assert told.limits["seed"] == str(2**64 - 1)
    assert list(told.signing_keys) == ["a"]
    assert told.segments[0].domain is None, "no engine has run yet"


def test_the_key_before_vouches_for_the_newest_for_an_hour(ask, mounts) -> None:
    (mounts / "signing").mkdir()
    for number, name in enumerate(("a-1", "a-2"), start=1):
        (mounts / "signing" / name).write_text(base64.b64encode(bytes([number]) * 32).decode())
    told = capabilities(ask)
    old = PublicKeys.from_texts({"a-1": told.signing_keys["a-1"]})
    now = datetime.now(UTC)
    assert succeeded(old, vouchers=told.signing_key_vouchers, now=now).to_texts() == told.signing_keys
    assert succeeded(old, vouchers=told.signing_key_vouchers, now=now + timedelta(hours=2)) == old


def test_asking_wakes_no_worker(ask, denoisers) -> None:
    capabilities(ask)
    ask("GET", "/healthz")
    assert not any(denoiser.received for denoiser in denoisers.values())


def test_running_segments_are_described_once(ask, service) -> None:
    segments = {"large": Denoiser(), "small": Denoiser()}
    for _ in range(2):
        asyncio.run(look(service, segments, count_replicas=lambda: {"large": 2, "small": 0}))
    assert (segments["large"].asked, segments["small"].asked) == (1, 0)
    large, small = capabilities(ask).segments
    assert (large.domain, large.is_batch_invariant, large.batch_sizes) == (DESCRIBED["domain"], True, [1, 2])
    assert small.domain is None
    assert service.admission.replicas == {"large": 2, "small": 0}
    assert service.admission.row_milliseconds == {"large": 6.0}


def test_a_failing_look_changes_nothing(service) -> None:
    def fail() -> dict[str, int]:
        raise ConnectionError("the controller is away")

    service.admission.replicas["large"] = 3
    with pytest.raises(ConnectionError):
        asyncio.run(look(service, {}, count_replicas=fail))
    assert service.admission.replicas == {"large": 3}


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/shapes"])
def test_the_model_is_listed(ask, path) -> None:
    body = ask("GET", path).json()
    model = body["data"][0] if "data" in body else body
    assert replies.Model.model_validate(model).id == "shapes"
