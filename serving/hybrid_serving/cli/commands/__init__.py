"""The commands of `hybrid`, one module each: options, the order of things, and what is printed at the end."""

__all__: list[str] = []
