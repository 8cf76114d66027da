"""A ledger's lines as FOCUS 1.2 rows, the FinOps Foundation's form of a bill: one a line, and their sum is the bill's.

Pure. Times are the window's; a billing period is the calendar months that it touches.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from hybrid_serving.ledger.entries import Kind, Role, Unit
from hybrid_serving.ledger.statement import printed, statements
from hybrid_serving.ledger.store import Sum

DECIMALS = 12
_UNITS = {Unit.NANOSECONDS: "Hours", Unit.BYTES: "GiB"}
_PROVIDER = "Hybrid Diffusion"
_CATEGORY = "AI and Machine Learning"
_UNATTRIBUTED = "unattributed"

Row = dict[str, str]


def document(sums: Sequence[Sum], *, after: datetime, until: datetime) -> str:
    """CSV of everything that has a price; lines without a currency are no charge in anybody's sense."""
    found = [row for currency in sorted({each.currency for each in sums} - {""}) for row in _rows(sums, currency)]
    periods = _periods(after, until)
    file = io.StringIO()
    writer = csv.DictWriter(
        file, fieldnames=[*periods, *_row("", "", "", service="", tenant="")], lineterminator="\r\n"
    )
    writer.writeheader()
    writer.writerows(periods | row for row in found)
    return file.getvalue()


def _rows(sums: Sequence[Sum], currency: str) -> Iterator[Row]:
    """Rows of one currency; printed parts add up to the printed sum."""
    charged = [each for each in sums if each.currency == currency and _is_charge(each)]
    (statement,) = statements([each for each in sums if each.currency == currency], by=())
    unattributed = statement.unattributed or Fraction(0)
    *amounts, rest = printed([*(each.line.amount for each in charged), unattributed], decimals=DECIMALS)
    for each, amount in zip(charged, amounts, strict=True):
        key = each.line.key
        yield _row(
            amount,
            currency,
            key.kind.value,
            service=each.service,
            tenant=key.tenant,
            model=key.segment,
            tier=key.tier,
            quantity=_decimal(Fraction(each.line.count.quantity, key.kind.unit.value)),
            unit=_UNITS[key.kind.unit],
            price=f"{each.line.rate:f}",
            steps=str(each.line.count.rows) if key.kind is Kind.STEP else "",
        )
    if statement.billed is not None:
        yield _row(rest, currency, _UNATTRIBUTED, service="", tenant="")


def _is_charge(found: Sum) -> bool:
    return found.line.key.kind.role in (Role.USED, Role.OVERHEAD)


def _row(
    amount: str,
    currency: str,
    kind: str,
    *,
    service: str,
    tenant: str,
    model: str = "",
    tier: str = "cloud",
    quantity: str = "",
    unit: str = "",
    price: str = "",
    steps: str = "",
) -> Row:
    """One row; an empty cell is FOCUS' null."""
    return {
        "BillingAccountId": _PROVIDER,
        "BillingAccountName": _PROVIDER,
        "BillingCurrency": currency,
        "BilledCost": amount,
        "EffectiveCost": amount,
        "ListCost": amount,
        "ContractedCost": amount,
        "ListUnitPrice": price,
        "PricingQuantity": quantity,
        "PricingUnit": unit,
        "ConsumedQuantity": quantity,
        "ConsumedUnit": unit,
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": f"{kind} {model}".strip(),
        "InvoiceIssuerName": _PROVIDER,
        "ProviderName": _PROVIDER,
        "PublisherName": _PROVIDER,
        "ServiceCategory": _CATEGORY,
        "ServiceName": _PROVIDER,
        "ResourceId": f"{service}/{model}" if model else service,
        "ResourceName": service,
        "ResourceType": "HybridDiffusion",
        "SubAccountId": tenant,
        "SubAccountName": tenant,
        "Tags": json.dumps({"tenant": tenant} if tenant else {}),
        "x_ModelName": model,
        "x_Tier": tier,
        "x_Kind": kind,
        "x_DenoisingSteps": steps,
    }


def _periods(after: datetime, until: datetime) -> Row:
    last = _month(until - timedelta(microseconds=1))
    following = _month(last + timedelta(days=32))
    times = (_month(after), following, after, until)
    names = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
    return {name: f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for name, time in zip(names, times, strict=True)}


def _month(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _decimal(quantity: Fraction) -> str:
    return f"{round(Decimal(quantity.numerator) / Decimal(quantity.denominator), DECIMALS):f}"
