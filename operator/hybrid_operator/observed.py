"""What exists of one resource, as far as a decision needs it.

Values only. They are read from manifests in `observation`, and decided upon in `rollout` and `status`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

BUILD_FAILED = "EngineBuildFailed"
"""Why a revision failed of which a Job did."""


class Stage(Enum):
    """How far something has come."""

    ABSENT = "absent"
    """It does not exist."""
    STARTING = "starting"
    """It exists and may yet work."""
    DEPLOYING = "deploying"
    """Of a RayService: replicas are made, of one that is new, or of one that serves and is changed or scaled."""
    DONE = "done"
    """It works; of a Job: it has done its work."""
    FAILED = "failed"
    """It will not work unless somebody changes something."""
    ENDING = "ending"
    """It is being deleted, and its name is still in use."""


class Verdict(Enum):
    """What a probe said."""

    NONE = "none"
    """It was not asked, or it is not answered yet."""
    PASSED = "passed"
    FAILED = "failed"
    BUSY = "busy"
    """It was refused for having too much to do: what it said before still holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paces:
    """How long one picture took, drawn alone, in nanoseconds of engine time."""

    encode: int
    decode: int
    steps: Mapping[str, int]
    """One row of one step, by segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a probe said, and in which words."""

    verdict: Verdict = Verdict.NONE
    message: str = ""
    paces: Paces | None = None
    """Of the picture that proved it, where its cost was told."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something does not work, for people: a stable reason and a sentence."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A revision that was tried and given up."""

    revision: str
    reason: str
    message: str
    retry: str = ""
    """What the resource's annotation said then; another value asks for one more attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision: its record, its engines, its RayService."""

    name: str
    number: int = 0
    """Grows whenever a revision becomes the desired one; 0 without a record."""
    progressed_at: datetime | None = None
    """When it last came a step further: recorded, building, created."""
    engines: Stage = Stage.ABSENT
    service: Stage = Stage.ABSENT
    failure: Failure | None = None
    """Why it will not work: known beyond doubt."""
    trouble: Failure | None = None
    """Why it does not work yet, as far as its pods and Jobs tell."""
    probe: Verdict = Verdict.NONE
    in_flight: int | None = None
    """Requests it is working on; `None` where that cannot be known."""

    @property
    def has_record(self) -> bool:
        """Whether its rendering is kept."""
        return self.number > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """All revisions, and where requests go."""

    revisions: tuple[Revision, ...] = ()
    routed: str = ""
    """The revision that the Service selects; empty where it selects none."""
    routed_at: datetime | None = None
    """When the Service last changed."""
    remembered: str = ""
    """The serving revision by status, for the case that the Service is gone."""
    rejected: Rejected | None = None

    def revision(self, name: str) -> Revision:
        """The revision of that name, which may not exist yet."""
        return next((each for each in self.revisions if each.name == name), Revision(name=name))
