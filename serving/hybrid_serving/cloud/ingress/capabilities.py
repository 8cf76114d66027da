"""What the service can do, for clients and devices that ask before they order.

Read from facts and terms only; asking never wakes a worker.
"""

from typing import Any

from hybrid_serving import sampler as samplers
from hybrid_serving.cloud.ingress.planning import widest
from hybrid_serving.cloud.ingress.schemas import PROMPT_CHARACTERS, SEED_MAX
from hybrid_serving.cloud.ingress.service import Service

Object = dict[str, Any]


def model_card(service: Service) -> Object:
    """The model as `/v1/models` lists it."""
    return {
        "id": service.facts.model,
        "object": "model",
        "created": service.facts.created,
        "owned_by": "hybrid-diffusion",
    }


def capabilities(service: Service) -> Object:
    """The answer to `GET /v1/capabilities`."""
    facts, terms = service.facts, service.terms
    return {
        "model": facts.model,
        "samplers": list(samplers.SAMPLERS),
        "sizes": [{"size": str(size), "latent_shape": list(facts.latent_shape(size))} for size in facts.sizes],
        "output_formats": ["png", "jpeg", "webp"],
        "defaults": {
            "sampler": terms.sampler,
            "steps": terms.steps,
            "guidance_scale": terms.guidance_scale,
            "size": str(terms.size),
            "deadline_seconds": terms.deadline_seconds,
        },
        "limits": {
            "steps": terms.max_steps,
            "images": terms.max_images,
            "queue_seconds": terms.queue_seconds,
            "body_bytes": terms.body_bytes,
            "prompt_characters": PROMPT_CHARACTERS,
            "seed": str(SEED_MAX),
        },
        "segments": [_segment(service, name) for name in facts.names],
        "split": _split(service),
        "signing_keys": service.signing.shown(),
        "signing_key_vouchers": service.signing.vouchers(now=service.now()),
    }


def _segment(service: Service, name: str) -> Object:
    """One segment; what only an engine can tell is `null` until one has run."""
    segment = next(segment for segment in service.facts.segments if segment.name == name)
    described = service.described.get(name, {})
    return {
        "name": name,
        "runs_on": segment.runs_on,
        "network": segment.network,
        "domain": described.get("domain"),
        "is_batch_invariant": described.get("is_batch_invariant"),
        "batch_sizes": described.get("buckets"),
    }


def _split(service: Service) -> Object:
    """Where a request with all defaults is split, as a step and as the noise level that devices compare by."""
    terms = service.terms
    stops = widest(terms.shares, steps=terms.steps)
    step = stops[0] if stops else terms.steps
    schedule = service.facts.schedule
    table = samplers.compile_table(schedule, sampler=terms.sampler, steps=terms.steps)
    return {
        "steps": terms.steps,
        "step": step,
        "noise_level": round(samplers.level_of(schedule, table=table, position=step), 6),
    }
