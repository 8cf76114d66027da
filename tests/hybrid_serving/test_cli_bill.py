"""The bill of one machine: processes seen from outside, written to the ledger beside what they book themselves."""

import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hybrid_api import documents, serve_config
from hybrid_serving.cli.bill import Bill
from hybrid_serving.cli.serve_api import Application, Deployment
from hybrid_serving.cloud import clocks
from hybrid_serving.ledger.sqlite import SqliteStore

SAMPLE = Path(__file__).resolve().parents[2] / "e2e" / "samples" / "shapes.yaml"


def an_application(
    *pids: int, price: str | None = None, threads: int | None = None, segment: str = "large"
) -> Application:
    loaded = documents.load_documents(SAMPLE.read_text())
    prices = loaded.prices()
    if price and prices:
        prices = prices.model_copy(update={"cpu_core_hour": Decimal(price)})
    config = serve_config.render(loaded.resource, prices=prices)["applications"][0]
    first = config["args"]["spec"]["segments"][0]
    first["name"] = segment
    if threads:
        first["engine"]["threads"] = threads
    deployment = Deployment(name=segment, status="HEALTHY", message="", running=1, target=1, pids=pids)
    return Application("shapes", "RUNNING", "", (deployment,), config)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def billed(ledger: Path) -> list[Any]:
    store = SqliteStore(ledger, is_read_only=True)
    found = [each.line for each in store.sums(after=0, until=time.time_ns())]
    store.close()
    return found


def test_a_process_is_billed_from_its_birth_to_its_end(ledger: Path) -> None:
    bill = Bill(service="shapes", address=f"sqlite:///{ledger}")
    began = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    time.sleep(0.3)
    bill.see(an_application(child.pid))
    seen = time.perf_counter() - began
    child.kill()
    child.wait()
    bill.see(an_application())
    bill.close()
    (line,) = billed(ledger)
    assert seen - 0.1 <= line.count.quantity / 1e9 <= seen + 0.2
    assert (line.key.segment, line.key.kind.value, line.rate) == ("large", "bill", Decimal("0.0632"))


def test_a_price_change_is_seen_in_what_serve_was_given(ledger: Path) -> None:
    bill = Bill(service="shapes", address=f"sqlite:///{ledger}")
    bill.see(an_application(os.getpid()))
    time.sleep(0.1)
    bill.see(an_application(os.getpid(), price="0.5"))
    time.sleep(0.1)
    bill.see(an_application(os.getpid(), price="0.5"))
    bill.close()
    found = billed(ledger)
    assert {line.rate for line in found} == {Decimal("0.0632"), Decimal("1.0")}
    total = sum(line.count.quantity for line in found)
    assert total == pytest.approx(clocks.process_age_nanoseconds(), rel=0.1)


def test_workers_with_other_threads_are_billed_by_these_and_older_ones_as_before(ledger: Path) -> None:
    bill = Bill(service="shapes", address=f"sqlite:///{ledger}")
    children = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) for _ in range(2)]
    old, new = (child.pid for child in children)
    bill.see(an_application(old))
    bill.see(an_application(old, new, threads=5))
    time.sleep(0.3)
    bill.see(an_application(new, threads=5))
    bill.close()
    seconds = {line.rate: line.count.quantity / 1e9 for line in billed(ledger)}
    for child in children:
        child.kill()
        child.wait()
    assert seconds.keys() == {2 * Decimal("0.0316"), 5 * Decimal("0.0316")}
    assert all(each >= 0.3 for each in seconds.values()), "one process each, the old one after Serve forgot it too"


def test_a_segment_that_comes_later_is_billed(ledger: Path) -> None:
    bill = Bill(service="shapes", address=f"sqlite:///{ledger}")
    bill.see(an_application())
    bill.see(an_application(os.getpid(), segment="huge"))
    bill.close()
    (line,) = billed(ledger)
    assert line.key.segment == "huge"


def test_a_process_that_is_gone_already_is_no_trouble(ledger: Path) -> None:
    bill = Bill(service="shapes", address=f"sqlite:///{ledger}")
    bill.see(an_application(2**22 + 1))
    bill.close()


def test_a_process_that_was_killed_and_that_nobody_has_reaped_is_over(ledger: Path) -> None:
    """Ray's node process may leave its workers as zombies; these still have an age."""
    bill = Bill(service="shapes", address=f"sqlite:///{ledger}")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    bill.see(an_application(child.pid))
    seen = clocks.process_age_nanoseconds(child.pid)
    child.kill()
    _until_zombie(child.pid)
    time.sleep(0.5)
    bill.see(an_application(child.pid))
    bill.close()
    child.wait()
    assert sum(line.count.quantity for line in billed(ledger)) <= seen


def _until_zombie(pid: int) -> None:
    limit = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_worker_that_serve_has_forgotten_is_billed_until_its_process_ends(ledger: Path) -> None:
    bill = Bill(service="shapes", address=f"sqlite:///{ledger}")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    bill.see(an_application(child.pid))
    time.sleep(0.5)
    bill.see(an_application())
    bill.close()
    child.kill()
    child.wait()
    assert sum(line.count.quantity for line in billed(ledger)) / 1e9 >= 0.5
