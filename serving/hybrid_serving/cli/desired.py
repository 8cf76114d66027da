"""What shall be served, out of one YAML file: the resource, its keys, its prices, and the Serve document of them.

Reads the file and parses; changes nothing.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybrid_api import documents, serve_config
from hybrid_api.errors import ApiError
from hybrid_api.prices import PriceList
from hybrid_api.v1alpha1 import HybridDiffusion
from hybrid_serving.cli.failures import UsageFailure, reported

STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class Desired:
    """Everything that one file asks for."""

    resource: HybridDiffusion
    api_keys: Mapping[str, bytes]
    signing_keys: Mapping[str, bytes]
    prices: PriceList | None

    def document(self, *, host: str, port: int) -> dict[str, Any]:
        """For Serve's REST API."""
        return serve_config.render(self.resource, prices=self.prices, host=host, port=port)

    @property
    def name(self) -> str:
        """Name of the resource, of the application, and of the model in the HTTP API."""
        return self.resource.metadata.name


def read(path: Path) -> Desired:
    """What `path` (or stdin, for `-`) asks for; raises `UsageFailure` with the first complaint."""
    with reported(usage=(ApiError,), prefix=f"{path}: "):
        found = documents.load_documents(_text(path))
        return Desired(
            resource=found.resource,
            api_keys=found.api_keys(),
            signing_keys=found.signing_keys(),
            prices=found.prices(),
        )


def _text(path: Path) -> str:
    try:
        return sys.stdin.read() if path == STDIN else path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageFailure(f"{path} is no UTF-8 text; a HybridDiffusion manifest in YAML is expected.") from error
    except OSError as error:
        raise UsageFailure(f"{path} cannot be read ({error.strerror}); give a HybridDiffusion manifest.") from error
