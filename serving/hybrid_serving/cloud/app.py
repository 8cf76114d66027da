"""The serving application: one ingress over a denoiser deployment for every segment.

`build` is what the Serve document's `import_path` names. It only composes; replicas read everything else themselves.
"""

from typing import Any

from ray.serve import Application

from hybrid_serving.cloud.denoiser import Denoiser
from hybrid_serving.cloud.ingress.deployment import compose


def build(args: dict[str, Any]) -> Application:
    """The application of a fixed half; unknown or missing fields are refused here, before any replica starts."""
    return compose(args, denoiser=Denoiser)
