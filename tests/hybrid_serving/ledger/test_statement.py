from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from hybrid_serving.ledger.statement import Statement, printed, statements
from hybrid_serving.ledger.store import Sum

HOUR = 3_600_000_000_000


def a_statement(*lines, by=("model", "tier", "tenant"), currency: str = "USD") -> Statement:
    (statement,) = statements([Sum("shapes", currency, line) for line in lines], by=by)
    return statement


def test_what_was_used_is_broken_down_as_asked(a_line) -> None:
    lines = [
        a_line("step", tenant="ada", quantity=2 * HOUR, rate="0.5"),
        a_line("decode", tenant="ada", quantity=HOUR, rate="0.5"),
        a_line("step", tenant="bob", segment="small", quantity=HOUR, rate="0.25"),
    ]
    assert {key: group.amount for key, group in a_statement(*lines).groups.items()} == {
        ("large", "cloud", "ada"): Fraction(3, 2),
        ("small", "cloud", "bob"): Fraction(1, 4),
    }
    assert set(a_statement(*lines, by=("tenant",)).groups) == {("ada",), ("bob",)}
    assert set(a_statement(*lines, by=()).groups) == {()}


def test_the_parts_of_a_bill_add_up_to_it(a_line) -> None:
    statement = a_statement(
        a_line("step", quantity=HOUR),
        a_line("padding", tenant="", quantity=HOUR // 2),
        a_line("idle", tenant="", quantity=HOUR // 4),
        a_line("egress", quantity=2**30, rate="0.09"),
        a_line("bill", tenant="", quantity=2 * HOUR),
    )
    assert statement.unattributed == Fraction(1, 4)
    assert statement.total == 2 + Fraction(Decimal("0.09"))
    parts = statement.used + sum(statement.overhead.values()) + statement.unattributed
    assert parts == statement.total


def test_without_a_measured_bill_nothing_is_called_unattributed(a_line) -> None:
    statement = a_statement(a_line("step"), a_line("idle", tenant=""))
    assert statement.unattributed is None
    assert statement.total == 2


def test_notes_add_to_nothing(a_line) -> None:
    statement = a_statement(
        a_line("step"),
        a_line("cancelled", quantity=HOUR // 2),
        a_line("images", tenant="ada", quantity=3, rate="0"),
        a_line("edge", tier="edge", quantity=7, rate="0"),
        a_line("all_cloud", quantity=10**12, rate="0"),
        a_line("compared", quantity=4 * 10**11, rate="0"),
        by=(),
    )
    assert statement.total == 1
    assert statement.saving == Fraction(6, 10)
    (group,) = statement.groups.values()
    assert (group.images, group.edge_nanoseconds, group.vain_nanoseconds) == (3, 7, HOUR // 2)


def test_nothing_compared_is_no_saving(a_line) -> None:
    assert a_statement(a_line("step")).saving is None


def test_currencies_are_never_added(a_line) -> None:
    sums = [Sum("shapes", "USD", a_line()), Sum("shapes", "EUR", a_line())]
    assert [(each.currency, each.total) for each in statements(sums, by=())] == [("EUR", 1), ("USD", 1)]


@given(st.lists(st.fractions(min_value=0, max_value=10**6), min_size=1, max_size=12), st.integers(0, 6))
def test_printed_parts_add_up_to_the_printed_sum(amounts: list[Fraction], decimals: int) -> None:
    shown = [Decimal(text) for text in printed(amounts, decimals=decimals)] if decimals else []
    if decimals:
        assert sum(shown) == Decimal(round(sum(amounts) * 10**decimals)) / 10**decimals
        assert all(
            abs(Fraction(one) - other) < Fraction(1, 10**decimals) for one, other in zip(shown, amounts, strict=True)
        )


def test_a_part_below_zero_is_printed_as_such_and_the_rest_makes_up_for_it() -> None:
    assert printed([Fraction(1, 3), Fraction(1, 3), Fraction(-1, 10)], decimals=2) == ["0.34", "0.33", "-0.10"]
