"""A request's price before it is drawn, and what it costs to ask: nothing."""

from dataclasses import replace
from decimal import Decimal

import pytest

PATH, DRAWN = "/v1/images/estimates", "/v1/images/generations"
PACES = {"step": {2: 0.002}, "encode": {2: 0.0001}, "decode": {1: 0.0005}}
"""Milliseconds by bucket, as the fake denoisers take: 1000 ns a step row and so on."""


@pytest.fixture
def measured(service) -> None:
    for name in ("large", "small"):
        service.accounts.measured.expect(name, PACES)


def estimated(ask, **body):
    answer = ask("POST", PATH, json={"prompt": "a red circle", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_before_anything_was_measured_there_is_no_figure(ask) -> None:
    assert estimated(ask)["hybrid"]["cost"] is None


def test_an_estimate_is_the_bill_over_what_work_usually_takes(ask, measured) -> None:
    told = estimated(ask, n=2, split=10)
    cost = told["hybrid"]["cost"]
    assert (told["images"], told["hybrid"]["split"]) == (2, 10)
    assert cost["rows"] == {"large": {"encode": 2, "step": 40}, "small": {"step": 60, "decode": 2}}
    assert cost["nanoseconds"] == {"large": 2 * 50 + 40 * 1000, "small": 60 * 1000 + 2 * 500}
    engine = Decimal("0.0316") * 2 * sum(cost["nanoseconds"].values()) / Decimal(3600 * 10**9)
    assert Decimal(cost["cloud"]) == pytest.approx(engine, abs=Decimal("1e-12"))


def test_networks_that_take_guidance_as_an_input_run_one_row_a_step(ask, measured, service) -> None:
    service.facts = replace(service.facts, embeds_guidance=True)
    cost = estimated(ask, split=10)["hybrid"]["cost"]
    assert cost["rows"] == {"large": {"encode": 1, "step": 10}, "small": {"step": 15, "decode": 1}}
    assert cost["all_cloud_inputs"]["rows_a_step"] == 1


def test_asking_draws_books_and_counts_nothing(ask, measured, denoisers, meter, service) -> None:
    estimated(ask)
    assert not any(each.received for each in denoisers.values())
    assert {name for name, *_ in meter.counts} == {"hybriddiffusion_requests"}
    assert not service.accounts.counts.totals()


def test_more_steps_on_the_large_network_cost_more_where_it_is_slower(ask, service) -> None:
    service.accounts.measured.expect("large", {**PACES, "step": {2: 0.02}})
    service.accounts.measured.expect("small", PACES)
    costs = [Decimal(estimated(ask, split=split)["hybrid"]["cost"]["cloud"]) for split in (5, 10, 20)]
    assert costs == sorted(costs)


def test_what_a_generation_would_refuse_is_refused_by_name(ask) -> None:
    answer = ask("POST", PATH, json={"prompt": "a red circle", "steps": 10_000})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "steps"


def test_without_prices_time_is_estimated_and_nothing_priced(ask, service, terms, measured) -> None:
    service.terms = terms(prices=None)
    cost = estimated(ask)["hybrid"]["cost"]
    assert cost["nanoseconds"]
    assert "currency" not in cost
