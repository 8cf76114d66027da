"""Dashboards, rules and the scrape configuration, as data that is generated into the chart and the documentation."""

__all__: list[str] = []
