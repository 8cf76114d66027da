"""`python -m hybrid_monitoring`: writes dashboards, rules, scrape configuration and the metrics' page."""

from pathlib import Path

from hybrid_monitoring import generated

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Write every generated file."""
    for path, text in generated.files().items():
        target = ROOT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
