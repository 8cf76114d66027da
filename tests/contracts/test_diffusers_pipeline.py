"""With one network alone, every CPU backend draws what diffusers' own pipeline draws: same weights and latents."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_engines import build, models
from hybrid_engines.spec import EngineSpec
from hybrid_serving import pixels, sampler, trajectory
from hybrid_serving.cloud.prompts import PromptTokenizer
from hybrid_serving.edge import finish
from hybrid_serving.protocol import Settings

SIZE = (64, 64)
PROMPTS = ("a red circle above a blue square", "a green star on a pink background")
EAGER = EngineSpec(backend="eager", precision="f32", batch_sizes=(1, 2), threads=2)
COMPILED = {
    "openvino": EngineSpec(backend="openvino", precision="f32"),
    "openvino-static": EngineSpec(backend="openvino", precision="f32", graph="static"),
    "onnxruntime": EngineSpec(backend="onnxruntime", precision="f32"),
}
STORE = Path(__file__).resolve().parents[2] / ".engine_cache"
"""Engines that other tests build too."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module")
def pipeline() -> Any:
    from diffusers import StableDiffusionPipeline

    from hybrid_engines import networks

    with networks.quiet():
        loaded = StableDiffusionPipeline.from_pretrained(
            str(models.BUILTIN / "shapes" / "large"),
            safety_checker=None,
            requires_safety_checker=False,
            low_cpu_mem_usage=False,
        ).to("cpu")
    for component in (loaded.unet, loaded.vae, loaded.text_encoder):
        component.float()
    loaded.set_progress_bar_config(disable=True)
    return loaded


def _ours(settings: Settings, *, unet: str, cache: Path, spec: EngineSpec = EAGER) -> pixels.Pixels:
    large = models.open_model("builtin://shapes/large")
    network = large if unet == "large" else models.open_model(f"builtin://shapes/{unet}", first=large)

    def engine(model: models.Model, component: models.Component) -> Any:
        return build.ensure(model, component, spec=spec, size=SIZE, cache=cache)

    tokens = PromptTokenizer(large.tokenizer, length=large.max_tokens)
    encoder = engine(large, "text_encoder")
    asked = tokens([settings.prompt, settings.negative_prompt])
    conditioning = {"text": encoder({"tokens": asked}, bucket=2)["text"].copy()}
    table = sampler.compile_table(
        sampler.Schedule.from_config(large.schedule), sampler=settings.sampler, steps=settings.steps
    )
    start = trajectory.begin(settings, table=table, latent_shape=large.latent_shape(*SIZE))
    return finish.finish(
        start,
        table=table,
        settings=settings,
        conditioning=conditioning,
        unet=engine(network, "unet"),
        decoder=engine(large, "decoder"),
    ).pixels


def _theirs(pipeline: Any, settings: Settings, *, unet: str) -> pixels.Pixels:
    import torch
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UNet2DConditionModel

    from hybrid_engines import networks

    kind = {"dpmpp-2m": DPMSolverMultistepScheduler, "ddim": DDIMScheduler}[settings.sampler]
    options = {"clip_sample": False} if settings.sampler == "ddim" else {}  # latents are not pixels
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config, **options)
    with networks.quiet():
        pipeline.unet = UNet2DConditionModel.from_pretrained(
            str(models.BUILTIN / "shapes" / unet / "unet"), low_cpu_mem_usage=False
        ).float()
    large = models.open_model("builtin://shapes/large")
    shape = large.latent_shape(*SIZE)
    table = sampler.compile_table(sampler.Schedule.from_config(large.schedule), sampler="ddim", steps=settings.steps)
    noise = trajectory.begin(settings, table=table, latent_shape=shape).x
    with torch.inference_mode():
        images = pipeline(
            settings.prompt,
            negative_prompt=settings.negative_prompt,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance_scale,
            latents=torch.from_numpy(noise[np.newaxis].copy()),
            height=SIZE[1],
            width=SIZE[0],
            output_type="np",
        ).images
    return np.asarray((images[0] * 255).round().astype(np.uint8))


def _settings(prompt: str, *, sampler_name: str) -> Settings:
    return Settings(
        prompt=prompt,
        negative_prompt="",
        seed=11,
        image=0,
        sampler=sampler_name,
        steps=25,
        guidance_scale=5.0,
        width=SIZE[0],
        height=SIZE[1],
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("sampler_name", ["dpmpp-2m", "ddim"])
@pytest.mark.parametrize("unet", ["large", "small"])
def test_one_network_alone_draws_the_picture_of_diffusers_pipeline(
    pipeline: Any, cache: Path, *, unet: str, sampler_name: str, prompt: str
) -> None:
    settings = _settings(prompt, sampler_name=sampler_name)
    ours, theirs = _ours(settings, unet=unet, cache=cache), _theirs(pipeline, settings, unet=unet)
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1
    assert ours.std() > 10  # a picture, not a plain


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("unet", ["large", "small"])
def test_a_compiled_backend_draws_it_too(pipeline: Any, *, unet: str, backend: str) -> None:
    pytest.importorskip(backend.split("-", maxsplit=1)[0])
    settings = _settings(PROMPTS[0], sampler_name="dpmpp-2m")
    ours, theirs = (
        _ours(settings, unet=unet, cache=STORE, spec=COMPILED[backend]),
        _theirs(pipeline, settings, unet=unet),
    )
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1
