"""FOCUS rows: every mandatory column, and a sum that is the bill's."""

import csv
import io
import random
import time
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from hybrid_serving.cli import entry, focus
from hybrid_serving.ledger.entries import Count, Interval, Key, Kind, Line
from hybrid_serving.ledger.sqlite import SqliteStore
from hybrid_serving.ledger.statement import statements
from hybrid_serving.ledger.store import Sum

HOUR = 3_600_000_000_000
AFTER, UNTIL = datetime(2026, 10, 31, 12, tzinfo=UTC), datetime(2026, 11, 1, 12, tzinfo=UTC)
MANDATORY = {
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ContractedCost",
    "EffectiveCost",
    "ListCost",
    "InvoiceIssuerName",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
}


def a_sum(kind: str, quantity: int, *, tenant: str = "", currency: str = "USD", rate: str = "0.37") -> Sum:
    segment = "" if kind == "egress" else "large"
    return Sum("shapes", currency, Line(Key(segment, "cloud", tenant, Kind(kind)), Count(quantity, 7), Decimal(rate)))


def rows(*sums: Sum) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(focus.document(sums, after=AFTER, until=UNTIL))))


def test_every_mandatory_column_is_there_and_own_ones_are_marked() -> None:
    (row,) = rows(a_sum("step", HOUR, tenant="ada"))
    assert set(row) >= MANDATORY
    assert {name for name in row if name.startswith("x_")} == {"x_ModelName", "x_Tier", "x_Kind", "x_DenoisingSteps"}
    assert (row["PricingQuantity"], row["PricingUnit"], row["BilledCost"]) == (
        "1.000000000000",
        "Hours",
        "0.370000000000",
    )
    assert (row["SubAccountId"], row["x_DenoisingSteps"], row["ResourceId"]) == ("ada", "7", "shapes/large")


def test_a_window_over_the_end_of_a_month_is_in_both_billing_periods() -> None:
    (row,) = rows(a_sum("idle", HOUR))
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2026-10-01T00:00:00Z", "2026-12-01T00:00:00Z")
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == ("2026-10-31T12:00:00Z", "2026-11-01T12:00:00Z")


def test_bytes_are_priced_by_the_gib() -> None:
    (row,) = rows(a_sum("egress", 2**29, tenant="ada"))
    assert (row["PricingQuantity"], row["PricingUnit"], row["ListUnitPrice"]) == ("0.500000000000", "GiB", "0.37")


def test_rows_add_up_to_the_bill_whatever_is_in_it() -> None:
    rng = random.Random(3)
    kinds = ("step", "decode", "idle", "padding", "startup", "egress", "host")
    sums = [a_sum(rng.choice(kinds), rng.randrange(1, HOUR), rate=f"0.{rng.randrange(1, 9999):04}") for _ in range(97)]
    sums.append(a_sum("bill", 60 * HOUR, rate="0.9"))
    (statement,) = statements(sums, by=())
    found = sum(Decimal(row["BilledCost"]) for row in rows(*sums))
    assert abs(Fraction(found) - statement.total) <= Fraction(1, 2 * 10**focus.DECIMALS)
    assert sum(row["x_Kind"] == "unattributed" for row in rows(*sums)) == 1


def test_notes_and_what_has_no_price_are_no_charges() -> None:
    assert (
        rows(a_sum("images", 3), a_sum("cancelled", HOUR), a_sum("edge", HOUR), a_sum("step", HOUR, currency="")) == []
    )


def test_currencies_are_kept_apart() -> None:
    found = rows(a_sum("step", HOUR), a_sum("step", HOUR, currency="EUR"))
    assert [row["BillingCurrency"] for row in found] == ["EUR", "USD"]


def test_the_command_writes_the_file(tmp_path: Path, capsys) -> None:
    store, now = SqliteStore(tmp_path / "ledger" / "ledger.sqlite"), time.time_ns()
    line = a_sum("step", HOUR, tenant="ada").line
    store.put(
        Interval(
            service="shapes", source="a", sequence=0, began_at=now - HOUR, ended_at=now, currency="USD", lines=(line,)
        )
    )
    store.close()
    path = tmp_path / "day.csv"
    assert entry.run(["cost", "--state", str(tmp_path), "--focus", str(path), "--json"]) == 0
    (row,) = csv.DictReader(io.StringIO(path.read_text()))
    assert row["BilledCost"] == "0.370000000000"
    assert entry.run(["cost", "--state", str(tmp_path), "--focus", str(tmp_path / "no" / "day.csv")]) == 1
    assert "`--focus`" in capsys.readouterr().err
