"""The installation's own price list: a mounted ConfigMap, for resources that name none.

The kubelet swaps its files when the ConfigMap changes, so it is read anew each time. What it says is not judged here.
"""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class PriceFolder:
    """A folder with a file for each key; an empty path, or one where nothing is, is no list."""

    path: str
    _seen: dict[str, str] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._seen = self.read()

    def read(self) -> dict[str, str] | None:
        """The list's data as it is now; `None` where there is none."""
        if not self.path:
            return None
        try:
            # The kubelet keeps its own links beside the keys; their names begin with a dot.
            files = [each for each in sorted(Path(self.path).iterdir()) if not each.name.startswith(".")]
            return {each.name: each.read_text(encoding="utf-8").strip() for each in files} or None
        except (OSError, UnicodeDecodeError):
            return self._seen  # in the middle of a swap, or gone for a moment

    def has_changed(self) -> bool:
        """Whether the list is another one than when this was last asked."""
        before, self._seen = self._seen, self.read()
        return self._seen != before
