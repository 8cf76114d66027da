"""The header of a handoff as JSON: names and types of format version 1, frozen.

What is not listed here is refused. Numbers that other languages would round (the seed) are decimal strings; weights are
JSON numbers that give back the same float64.
"""

import json
from collections import defaultdict
from dataclasses import asdict, replace
from operator import attrgetter
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from hybrid_serving.handoff_errors import HandoffError, HandoffHeaderInvalid, HandoffKeysMissing, HandoffKeysUnknown
from hybrid_serving.protocol import Settings
from hybrid_serving.table import Entry, Table

_Natural = Annotated[int, Field(ge=0, lt=1 << 32)]
_Positive = Annotated[int, Field(ge=1, lt=1 << 32)]


_NAMES: Final = ("level", "c_in", "x0_from_x", "x0_from_output", "x", "x0", "noise")
_WEIGHTS: Final = attrgetter(*_NAMES)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _require_64_bits(seed: str) -> str:
    if int(seed) >= 1 << 64:
        raise ValueError("the seed must be below 2^64")
    return seed


class SettingsRecord(_Record):
    """`protocol.Settings`."""

    prompt: str
    negative_prompt: str
    seed: Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,19})$"), AfterValidator(_require_64_bits)]
    """Decimal, below 2^64."""
    image: _Natural
    sampler: str
    steps: _Positive
    guidance_scale: float
    width: _Positive
    height: _Positive

    @classmethod
    def of(cls, settings: Settings) -> "SettingsRecord":
        """The record of `settings`."""
        return cls(**asdict(replace(settings, seed=0)) | {"seed": str(settings.seed)})

    def value(self) -> Settings:
        """The settings of this record."""
        return Settings(**self.model_dump() | {"seed": int(self.seed)})


class TableRecord(_Record):
    """What is left of the coefficient table."""

    sampler: str
    prediction: str
    initial: float
    history_length: Annotated[int, Field(ge=0, le=8)]
    entries: tuple[Annotated[tuple[float, ...], Field(min_length=len(_NAMES))], ...]
    """One an entry: the weights of `_NAMES`, then the history's, newest first."""

    @classmethod
    def of(cls, table: Table) -> "TableRecord":
        """The record of `table`; where it starts is the header's position."""
        return cls(
            sampler=table.sampler,
            prediction=table.prediction,
            initial=table.initial,
            history_length=table.history_length,
            entries=tuple((*_WEIGHTS(entry), *entry.history) for entry in table.entries),
        )

    def value(self, *, start: int) -> Table:
        """The table of this record."""
        return Table(
            sampler=self.sampler,
            prediction=self.prediction,
            initial=self.initial,
            history_length=self.history_length,
            entries=tuple(_entry(row) for row in self.entries),
            start=start,
        )


class Header(_Record):
    """Everything of a handoff but its arrays."""

    request: str
    model: str
    networks: dict[str, str]
    """Digest of each segment's network."""
    domain: str
    engine: str
    attempt: _Positive
    issued_at: AwareDatetime
    expires_at: AwareDatetime
    position: _Natural
    settings: SettingsRecord
    table: TableRecord

    def to_text(self) -> str:
        """Canonical JSON: sorted keys, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_text(text: str) -> Header:
    """Parse what `to_text` wrote; anything else is refused, unknown and missing keys by name."""
    try:
        return Header.model_validate_json(text)
    except ValidationError as error:
        raise _refusal(error) from error


def _refusal(error: ValidationError) -> HandoffError:
    faults = defaultdict(list)
    for fault in error.errors():
        faults[fault["type"]].append(".".join(map(str, fault["loc"])))
    if unknown := faults.get("extra_forbidden"):
        return HandoffKeysUnknown(unknown)
    if missing := faults.get("missing"):
        return HandoffKeysMissing(missing)
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "its beginning"
    return HandoffHeaderInvalid(f"The handoff's header is wrong at `{where}`: {first['msg']}.")


def _entry(row: tuple[float, ...]) -> Entry:
    return Entry(**dict(zip(_NAMES, row, strict=False)), history=row[len(_NAMES) :])
