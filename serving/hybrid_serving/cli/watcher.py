"""Tells what is new about a served application, each thing once. Decides nothing."""

from hybrid_serving.cli.reporter import Reporter
from hybrid_serving.cli.serve_api import Application


class Watcher:
    """Remembers what it told."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._known: dict[str, tuple[int, int]] = {}
        self._trouble: str | None = None

    def __call__(self, application: Application) -> None:
        """Tell changes of replica counts, and a replica's failure."""
        for deployment in application.deployments:
            now = (deployment.running, deployment.target)
            if self._known.get(deployment.name) != now:
                self._known[deployment.name] = now
                message = f"{deployment.name}: {deployment.running} of {deployment.target} replicas run"
                details = {"deployment": deployment.name, "running": deployment.running, "target": deployment.target}
                self._reporter.event("replicas", message, details=details)
        if application.trouble != self._trouble:
            self._trouble = application.trouble
            if self._trouble:
                self._reporter.warning(f"A replica failed and is tried again: {self._trouble}")
