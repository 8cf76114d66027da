"""The ledger: what was used and what it cost, interval by interval, kept exactly and for good."""

__all__: list[str] = []
