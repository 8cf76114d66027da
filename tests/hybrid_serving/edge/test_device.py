"""The edge with the built-in pair's real engines: the cloud's bytes, and none of the cloud's libraries."""

import asyncio
import base64
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hybrid_engines import build, models
from hybrid_engines.spec import EngineSpec
from hybrid_serving import handoff as handoffs
from hybrid_serving import pixels, sampler
from hybrid_serving.cloud import assembly
from hybrid_serving.edge.device import Device, builtin_with
from hybrid_serving.handoff import Handoff
from hybrid_serving.keys import KeyRing
from hybrid_serving.protocol import Image, Released, Settings, Work

SIZE = (64, 64)
SPEC = EngineSpec(threads=2)
"""The sample's, so that its engines are shared."""
SEED = base64.b64encode(bytes(32)).decode()
SETTINGS = Settings(
    prompt="a red circle above a blue square",
    negative_prompt="",
    seed=7,
    image=0,
    sampler="dpmpp-2m",
    steps=8,
    guidance_scale=5.0,
    width=SIZE[0],
    height=SIZE[1],
)

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def small() -> models.Model:
    """The small network with its engines built."""
    model = models.open_model("builtin://shapes/small")
    for component in ("unet", "text_encoder", "decoder"):
        build.ensure(model, component, spec=SPEC, size=SIZE)
    return model


async def _handed_over(model: models.Model) -> tuple[Released, Image]:
    """A cloud worker's state after three steps, and the picture it makes of that state."""
    worker = assembly.connect(assembly.load(model, spec=SPEC, sizes=[SIZE]), model=model, capacity=4)
    try:
        work = Work(id="w", settings=SETTINGS, stop=3, deadline=4e9)
        released = await worker.run(work)
        assert isinstance(released, Released)
        rest = Work(
            id="v",
            settings=SETTINGS,
            stop=SETTINGS.steps,
            deadline=4e9,
            state=released.state,
            conditioning=released.conditioning,
        )
        image = await worker.run(rest)
        assert isinstance(image, Image)
        return released, image
    finally:
        worker.close()


def _file(released: Released, model: models.Model) -> bytes:
    schedule = sampler.Schedule.from_config(model.schedule)
    table = sampler.compile_table(schedule, sampler=SETTINGS.sampler, steps=SETTINGS.steps)
    now = datetime.now(UTC)
    made = Handoff(
        request="0" * 32 + "-0",
        model="shapes",
        networks={"large": "any", "small": model.digest("unet")},
        table=table.rest(released.state.position),
        state=released.state,
        settings=SETTINGS,
        conditioning=released.conditioning,
        issued_at=now,
        expires_at=now + timedelta(minutes=5),
    )
    return handoffs.pack(made, key=KeyRing.from_texts({"a": SEED}).signing)


FINISH = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from hybrid_engines import models
from hybrid_engines.spec import EngineSpec
from hybrid_serving import handoff, pixels
from hybrid_serving.cli import entry
from hybrid_serving.edge.device import Device
from hybrid_serving.keys import PublicKeys

keys = PublicKeys.from_texts(json.loads(sys.argv[2]))
received = handoff.unpack(Path(sys.argv[1]).read_bytes(), keys=keys, now=datetime.now(UTC))
model = models.open_model("builtin://shapes/small")
device = Device.open(model, spec=EngineSpec(threads=2), size=(64, 64))
device.profile(Path(sys.argv[3]))
Path(sys.argv[1]).with_suffix(".png").write_bytes(pixels.encode(device.finish(received, segment="small").pixels))
print(json.dumps([name for name in ("ray", "fastapi", "torch", "diffusers", "transformers") if name in sys.modules]))
"""


def test_another_process_finishes_with_the_clouds_bytes_and_without_its_libraries(
    small: models.Model, tmp_path: Path
) -> None:
    released, image = asyncio.run(_handed_over(small))
    path = tmp_path / "a.handoff"
    path.write_bytes(_file(released, small))
    keys = json.dumps(KeyRing.from_texts({"a": SEED}).public.to_texts())
    ended = subprocess.run(
        [sys.executable, "-c", FINISH, str(path), keys, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == []
    assert path.with_suffix(".png").read_bytes() == pixels.encode(image.pixels)


def test_an_engine_that_was_never_built_is_named_with_the_command(small: models.Model, tmp_path: Path) -> None:
    with pytest.raises(build.EngineMissing, match="python -m hybrid_engines build"):
        Device.open(small, spec=SPEC, size=SIZE, cache=tmp_path)


def test_the_built_in_model_is_found_by_its_network(small: models.Model) -> None:
    found = builtin_with(small.digest("unet"))
    assert found is not None
    assert found.uri == "builtin://shapes/small"
    assert builtin_with("0" * 64) is None
