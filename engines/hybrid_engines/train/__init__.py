"""Makes the built-in pair: renders captioned scenes, trains, measures, publishes. Nothing outside imports it."""

__all__: list[str] = []
