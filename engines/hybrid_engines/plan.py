"""Everything that decides an engine's bytes, and the key and numerics domain that follow from it. Values only."""

import shlex
from dataclasses import asdict, dataclass

from hybrid_engines import digests
from hybrid_engines.engine import Domain
from hybrid_engines.models import Component, Model, Size
from hybrid_engines.signature import Signature
from hybrid_engines.spec import Target

FORMAT = 2
"""Version of the cache's entries; raise it when what is exported or stored changes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One engine, fully resolved: nothing is `auto` any more."""

    model: Model
    component: Component
    size: Size
    signature: Signature
    network: str
    """Digest of weights and architecture."""
    exporter: str
    """Digest of the code that turns a checkpoint into an engine: a new release builds anew."""
    backend: str
    backend_version: str
    graph: str
    precision: str
    target: Target
    batch_sizes: tuple[int, ...]

    def ingredients(self) -> dict[str, object]:
        """What the key is computed from, as JSON values; kept in the manifest so that a miss can be explained."""
        return {
            "format": FORMAT,
            "network": self.network,
            "signature": self.signature.digest(),
            "exporter": self.exporter,
            "backend": self.backend_version,
            "graph": self.graph,
            "precision": self.precision,
            **asdict(self.target),
            "batch_sizes": list(self.batch_sizes),
        }

    def key(self) -> str:
        """Name of the engine's entry: hex SHA-256 of the ingredients."""
        return digests.value_digest(self.ingredients())

    @property
    def vocabulary(self) -> int:
        """Token ids are below this."""
        return int(self.model.text_encoder.setting("vocab_size"))

    @property
    def rows_together(self) -> int:
        """Rows of one image that share a call: guidance takes two, unless the U-Net takes it as an input."""
        return 1 if self.component == "decoder" or self.model.guidance_width else 2

    @property
    def threads(self) -> int:
        """Threads of the engine's own, 0 where its device schedules itself."""
        return self.target.threads

    def domain(self, *, device: str, answer: str = "", bucket: int | None = None) -> Domain:
        """The numerics domain of an engine that gave `answer` to its probe on `device` and must stay in `bucket`."""
        return Domain(
            network=self.network,
            graph=self.graph,
            precision=self.precision,
            backend=self.backend_version,
            instruction_set=device,
            threads=self.threads,
            bucket=bucket,
            answer=answer,
        )

    def command(self) -> str:
        """The shell command that builds this engine."""
        sizes = ",".join(map(str, self.batch_sizes))
        first = f" --first {shlex.quote(self.model.supplier)}" if self.model.supplier else ""
        return (
            f"python -m hybrid_engines build {shlex.quote(self.model.uri)}{first} --component {self.component}"
            f" --size {self.size[0]}x{self.size[1]} --backend {self.backend} --precision {self.precision}"
            f" --graph {self.graph} --threads {max(1, self.threads)} --batch-sizes {sizes}"
        )
