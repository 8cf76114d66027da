"""Which files are generated, and from what. Writes nothing."""

from collections.abc import Mapping
from pathlib import Path

from hybrid_monitoring import cost_board, documentation, grafana, rule_files, serving_board

CHART = Path("charts/hybrid-diffusion")


def files() -> Mapping[Path, str]:
    """Contents by path below the repository's root."""
    return {
        CHART / "dashboards/cost.json": grafana.render(cost_board.BOARD),
        CHART / "dashboards/serving.json": grafana.render(serving_board.BOARD),
        CHART / "rules/rules.yaml": rule_files.dump(rule_files.rules()),
        CHART / "rules/prometheus.yaml": rule_files.scrape_configuration(),
        Path("docs/metrics.md"): documentation.render(),
    }
