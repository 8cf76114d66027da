"""What a long command says while it works: phases with their seconds, and events with the time of day.

For people on stderr with a spinner; as one line of JSON an event on stdout where that is asked for. Computes nothing.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from rich.text import Text

from hybrid_serving.cli import output


class Phase:
    """A phase under way; what it found out can be added to its line."""

    def __init__(self, name: str, title: str) -> None:
        self.name = name
        self.title = title


class Reporter:
    """One command's voice."""

    def __init__(self, *, as_json: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._as_json = as_json
        self._clock = clock
        self._console = output.notes()

    @contextmanager
    def phase(self, name: str, title: str, *, has_spinner: bool = True) -> Iterator[Phase]:
        """Show that something goes on, and how long it took once it is done."""
        phase = Phase(name, title)
        started = self._clock()
        with self._spinner(title) if has_spinner else nullcontext():
            yield phase
        seconds = self._clock() - started
        if self._as_json:
            output.line({"event": "phase", "phase": name, "message": phase.title, "seconds": round(seconds, 3)})
        else:
            self._console.print(Text.assemble(("✓ ", "green"), phase.title, (f"  {seconds:.1f} s", "dim")))

    def event(self, kind: str, message: str, *, details: Mapping[str, Any] | None = None) -> None:
        """Something that happened and matters."""
        if self._as_json:
            output.line({"event": kind, "message": message, **(details or {})})
        else:
            self._console.print(Text.assemble((time.strftime("%H:%M:%S "), "dim"), message))

    def warning(self, message: str) -> None:
        """Something that works, but not as well as it could."""
        if self._as_json:
            output.line({"event": "warning", "message": message})
        else:
            self._console.print(Text.assemble(("! ", "yellow"), message), soft_wrap=True)

    def result(self, document: Mapping[str, Any], view: Text) -> None:
        """The command's result."""
        if self._as_json:
            output.line(document)
        else:
            output.results().print(view, soft_wrap=True)

    def _spinner(self, title: str) -> AbstractContextManager[object]:
        if self._as_json or not self._console.is_terminal:
            return nullcontext()
        return self._console.status(title)
