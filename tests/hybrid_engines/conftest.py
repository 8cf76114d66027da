"""A tiny random pair made with diffusers, engines of the built-in pair, and a runner whose arithmetic is known."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_engines import build, models
from hybrid_engines.engine import Domain, Facts
from hybrid_engines.runner import Buffers, CompiledEngine, Invoke
from hybrid_engines.signature import Port, Role, Signature
from hybrid_engines.spec import EngineSpec

SIZE = (16, 16)
TINY = EngineSpec(backend="openvino", batch_sizes=(1, 2, 4))


def make_tiny_pair(root: Path) -> Path:
    """Write a pair of random networks in diffusers layout; the small one has only its U-Net."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(7)
    for name, layers in (("large", 2), ("small", 1)):
        unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(8, 8),
            layers_per_block=layers,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=16,
            attention_head_dim=2,
            norm_num_groups=4,
        )
        unet.half().save_pretrained(root / name / "unet")
    text = CLIPTextConfig(
        vocab_size=20,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=6,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    CLIPTextModel(text).half().save_pretrained(root / "large" / "text_encoder")
    AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=0.18215,
    ).half().save_pretrained(root / "large" / "vae")
    DDIMScheduler(beta_schedule="scaled_linear", prediction_type="v_prediction").save_pretrained(
        root / "large" / "scheduler"
    )
    (root / "large" / "tokenizer").mkdir()
    (root / "large" / "tokenizer" / "tokenizer.json").write_text("{}")
    preview = {"matrix": [[0.1] * 4] * 3, "bias": [0.5] * 3}
    document = {"format": 1, "name": "tiny", "models": ["large", "small"], "preview": preview}
    (root / "pair.json").write_text(json.dumps(document))
    return root


@pytest.fixture(scope="session")
def tiny_master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_pair(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def tiny(tiny_master: Path, tmp_path: Path) -> Path:
    """A copy of the tiny pair that the test may spoil."""
    return Path(shutil.copytree(tiny_master, tmp_path / "pair"))


@pytest.fixture(scope="session")
def tiny_engine_master(tiny_master: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with one engine: the tiny text encoder, the fastest to build."""
    cache = tmp_path_factory.mktemp("engines")
    model = models.open_model((tiny_master / "large").as_uri())
    build.ensure(model, "text_encoder", spec=TINY, size=SIZE, cache=cache)
    return cache


@pytest.fixture
def cache(tiny_engine_master: Path, tmp_path: Path) -> Path:
    """A copy of that cache that the test may spoil."""
    return Path(shutil.copytree(tiny_engine_master, tmp_path / "engines"))


@pytest.fixture
def text_encoder(tiny_master: Path) -> Callable[..., CompiledEngine]:
    """Ask `build.load` or `build.ensure` for the tiny text encoder."""
    model = models.open_model((tiny_master / "large").as_uri())

    def ask(function: Callable[..., CompiledEngine], cache: Path, **options: Any) -> CompiledEngine:
        return function(model, "text_encoder", spec=TINY, size=SIZE, cache=cache, **options)

    return ask


@pytest.fixture(scope="session")
def engine_store() -> Path:
    """Compiled engines of the built-in pair, kept between runs; their keys make stale ones impossible."""
    return Path(__file__).resolve().parents[2] / ".engine_cache"


class SumRunner:
    """Output = sample + level + text, plus `leak` times the sum of the whole batch."""

    def __init__(self, *, leak: float = 0.0) -> None:
        self._leak = leak

    def bind(self, buffers: Buffers) -> Invoke:
        sample, level, text = (buffers.inputs[name] for name in ("sample", "level", "text"))

        def invoke() -> None:
            buffers.outputs["output"][:] = sample + level[:, None] + text + self._leak * sample.sum()

        return invoke


@pytest.fixture
def make_engine() -> Callable[..., CompiledEngine]:
    """An engine over `SumRunner`: two-element rows, conditioning `text`."""

    def make(*, leak: float = 0.0, buckets: tuple[int, ...] = (1, 2, 4)) -> CompiledEngine:
        inputs = (
            Port("sample", Role.SAMPLE, "float32", (2,)),
            Port("level", Role.LEVEL, "float32", ()),
            Port("text", Role.CONDITIONING, "float32", (2,)),
        )
        return CompiledEngine(
            SumRunner(leak=leak),
            signature=Signature("unet", inputs, (Port("output", Role.OUTPUT, "float32", (2,)),)),
            domain=Domain("n", "dynamic", "f32", "sum 1", "avx2", 1),
            facts=Facts(macs=0, macs_with_attention=0, parameters=0),
            buckets=buckets,
            is_batch_invariant=True,
        )

    return make


@pytest.fixture
def rows() -> Callable[[int], dict[str, np.ndarray]]:
    """Rows of the sum engine: sample `[i, i]` and level `10 * i` for i = 1, 2, …"""

    def make(count: int) -> dict[str, np.ndarray]:
        index = np.arange(1, count + 1, dtype=np.float32)
        return {"sample": np.stack([index, index], axis=1), "level": 10 * index}

    return make


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gpu: runs on an NVIDIA GPU, skipped where there is none")


@pytest.fixture(autouse=True)
def _skip_without_gpu(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("gpu") is None:
        return
    from hybrid_engines import cuda
    from hybrid_engines.spec import BackendUnavailable

    try:
        cuda.gpu()
    except BackendUnavailable as error:
        pytest.skip(str(error))
