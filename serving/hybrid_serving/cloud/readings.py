"""What a replica's clocks come to in the ledger's words: whose time, and nobody's. Pure."""

from hybrid_serving.cloud.clocks import Clocks
from hybrid_serving.ledger.entries import Count, Key, Kind
from hybrid_serving.ledger.journal import Totals


def totals(clocks: Clocks, *, segment: str, startup_nanoseconds: int = 0) -> Totals:
    """Everything since the process's start, each nanosecond under one kind; what was in vain is a note beside it."""
    books = clocks.books
    used = {
        Key(segment, "cloud", tenant, Kind(kind)): Count(nanoseconds, books.rows.get((tenant, kind), 0))
        for (tenant, kind), nanoseconds in books.nanoseconds.items()
    }
    vain = {
        Key(segment, "cloud", tenant, Kind(why)): Count(nanoseconds)
        for (tenant, why), nanoseconds in books.vain_nanoseconds.items()
    }
    overhead = {
        Kind.PADDING: Count(books.padding_nanoseconds, books.padding_rows),
        Kind.HOST: Count(clocks.host_nanoseconds),
        Kind.STARTUP: Count(startup_nanoseconds),
        Kind.IDLE: Count(clocks.idle_nanoseconds),
    }
    return {**used, **vain, **{Key(segment, "cloud", "", kind): count for kind, count in overhead.items()}}
