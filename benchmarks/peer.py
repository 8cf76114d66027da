"""The common way to serve diffusers: FastAPI, one pipeline, one lock. The service's peer in `benchmarks.service`."""

import argparse
import base64
import io
import threading
from typing import Any

import torch
import uvicorn
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from fastapi import FastAPI
from pydantic import BaseModel


class Ask(BaseModel):
    """The body fields both servers understand."""

    prompt: str
    steps: int = 25
    guidance_scale: float = 5.0
    seed: int = 0


def build(model: str, *, threads: int) -> FastAPI:
    """An app that draws with the pipeline in folder `model`, eager float32 on `threads` threads."""
    torch.set_num_threads(threads)
    pipeline: Any = StableDiffusionPipeline.from_pretrained(
        model, torch_dtype=torch.float32, safety_checker=None, requires_safety_checker=False
    )
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    lock = threading.Lock()
    app = FastAPI()

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/images/generations")
    def generate(ask: Ask) -> dict[str, Any]:
        with lock, torch.inference_mode():
            image = pipeline(
                ask.prompt,
                num_inference_steps=ask.steps,
                guidance_scale=ask.guidance_scale,
                generator=torch.Generator().manual_seed(ask.seed),
                height=64,
                width=64,
            ).images[0]
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        return {"data": [{"b64_json": base64.b64encode(buffer.getvalue()).decode()}]}

    return app


def main() -> None:
    """Serve on loopback until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    uvicorn.run(build(options.model, threads=options.threads), host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
