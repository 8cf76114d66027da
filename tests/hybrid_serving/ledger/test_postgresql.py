"""The ledger against the distribution's own PostgreSQL server."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import pytest

pytest.importorskip("psycopg")

import psycopg

from hybrid_serving.ledger import course, postgresql
from hybrid_serving.ledger.entries import Kind
from hybrid_serving.ledger.postgresql import PostgresqlStore  # needs the driver
from hybrid_serving.ledger.store import LedgerError, connect

EVER = 2**62
pytestmark = pytest.mark.component


def _programs() -> Path | None:
    """The server's programs, where a distribution puts them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    return found[0].parent if found else Path(path).parent if (path := shutil.which("initdb")) else None


class Server:
    """One PostgreSQL in a folder of its own, as a user that is not root."""

    def __init__(self, folder: Path, *, programs: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._folder, self._programs = folder, programs
        self._as = {"user": "postgres"} if os.getuid() == 0 else {}
        if self._as:
            shutil.chown(folder, "postgres")
        subprocess.run(
            [programs / "initdb", "-D", folder / "data", "-U", "ledger", "--auth=trust", "-N"],
            check=True,
            capture_output=True,
            cwd=folder,
            **self._as,
        )
        self.start()

    @property
    def address(self) -> str:
        return f"postgresql://ledger:topsecret@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = ["-D", self._folder / "data", "-k", self._folder, "-p", str(self.port), "-h", "127.0.0.1"]
        self._child = subprocess.Popen(
            [self._programs / "postgres", *options], stderr=subprocess.DEVNULL, cwd=self._folder, **self._as
        )
        limit = time.monotonic() + 60
        while True:
            try:
                return PostgresqlStore(self.address).close() or self._ping()
            except LedgerError:
                assert time.monotonic() < limit
                time.sleep(0.1)

    def _ping(self) -> None:
        store = PostgresqlStore(self.address)
        store.latest()
        store.close()

    def stop(self) -> None:
        """Fast: connections are cut, what was committed stays."""
        self._child.send_signal(signal.SIGINT)
        self._child.wait(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    folder = tmp_path_factory.mktemp("postgresql")
    for parent in (folder, *folder.parents) if os.getuid() == 0 else ():  # the server's user has to get through
        if parent.stat().st_mode & 0o005 == 0o005:
            break
        parent.chmod(0o755)
    server = Server(folder, programs=programs)
    yield server
    server.stop()


def test_an_interval_is_kept_once_however_often_it_is_put(server, an_interval, a_line) -> None:
    kept = PostgresqlStore(server.address)
    kept.put(an_interval(source="once"))
    kept.put(an_interval(a_line(quantity=99), source="once"))
    (found,) = (each for each in kept.sums(after=0, until=EVER) if each.service == "shapes")
    kept.close()
    assert found.line == a_line()


def test_replicas_that_start_together_write_together(server, an_interval) -> None:
    def write(name: str) -> None:
        store = connect(server.address)
        for sequence in range(20):
            store.put(an_interval(sequence=sequence, source=name, service="crowd"))
        store.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, [f"replica-{number}" for number in range(8)]))
    reader = PostgresqlStore(server.address)
    (found,) = (each for each in reader.sums(after=0, until=EVER) if each.service == "crowd")
    reader.close()
    assert found.line.count.rows == 8 * 20 * 2


def test_a_server_that_goes_and_comes_back_costs_nothing_committed(server, an_interval) -> None:
    store = PostgresqlStore(server.address)
    store.put(an_interval(source="outage", service="outage"))
    server.stop()
    with pytest.raises(LedgerError, match="check the server") as caught:
        store.put(an_interval(source="outage", service="outage", sequence=1))
    assert "topsecret" not in str(caught.value)
    server.start()
    store.put(an_interval(source="outage", service="outage", sequence=1))
    (found,) = (each for each in store.sums(after=0, until=EVER) if each.service == "outage")
    store.close()
    assert found.line.count.rows == 4


def test_who_may_only_write_writes_into_what_somebody_else_made(server, an_interval) -> None:
    maker = PostgresqlStore(server.address)
    maker.latest()
    maker.close()
    with psycopg.connect(server.address, autocommit=True) as owner:
        owner.execute("CREATE ROLE writer LOGIN")
        owner.execute("GRANT USAGE ON SCHEMA hybriddiffusion TO writer")
        owner.execute("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA hybriddiffusion TO writer")
    store = PostgresqlStore(server.address.replace("ledger:", "writer:"))
    store.put(an_interval(source="modest", service="modest"))
    (found,) = (each for each in store.sums(after=0, until=EVER) if each.service == "modest")
    store.close()
    assert found.line.count.rows == 2


def test_what_is_forgotten_is_gone_and_nothing_else_is(server, an_interval) -> None:
    store = PostgresqlStore(server.address)
    for sequence, ended_at in enumerate((-30, -20, -10)):
        store.put(an_interval(sequence=sequence, source="old", service="old", ended_at=ended_at))
    assert store.forget(before=-20) == 1
    (found,) = (each for each in store.sums(after=-99, until=0) if each.service == "old")
    store.close()
    assert found.line.count.rows == 4


def test_what_is_much_is_forgotten_in_several_transactions(server, an_interval, monkeypatch) -> None:
    monkeypatch.setattr(postgresql, "_FORGET_INTERVALS", 2)
    store = PostgresqlStore(server.address)
    for sequence in range(5):
        store.put(an_interval(sequence=sequence, source="much", service="much", ended_at=-1000 + sequence))
    assert store.forget(before=-996) == 4
    (found,) = (each for each in store.sums(after=-9999, until=0) if each.service == "much")
    store.close()
    assert found.line.count.rows == 2


def test_a_write_gives_up_where_reading_and_forgetting_wait(server, an_interval, monkeypatch) -> None:
    import psycopg

    store = PostgresqlStore(server.address)
    store.put(an_interval(source="slow", service="slow"))
    monkeypatch.setattr(postgresql, "_WRITE_MILLISECONDS", 200)

    def locked(use: Callable[[], object]) -> float:
        with psycopg.connect(server.address) as connection, ThreadPoolExecutor(1) as pool:
            connection.execute("LOCK hybriddiffusion.interval IN ACCESS EXCLUSIVE MODE")
            began = time.monotonic()
            using = pool.submit(use)
            time.sleep(1.0)
            connection.rollback()
            using.result()
            return time.monotonic() - began

    assert locked(lambda: store.sums(after=0, until=EVER)) >= 1.0
    assert locked(lambda: store.forget(before=-9999)) >= 1.0
    with pytest.raises(LedgerError, match="statement timeout"):
        locked(lambda: store.put(an_interval(source="slow", service="slow", sequence=1)))
    store.close()


def test_the_course_comes_to_the_sums(server, an_interval, a_line) -> None:
    store = PostgresqlStore(server.address)
    lines = (a_line("step"), a_line("startup", tenant="", quantity=40), a_line("idle", tenant="", rate="0.37"))
    for sequence, ended_at in enumerate((1_010, 1_017, 1_049)):
        store.put(an_interval(*lines, sequence=sequence, source="course", service="course", ended_at=ended_at))
    sums = [each for each in store.sums(after=1_000, until=1_050) if each.service == "course"]
    stretches = store.course(after=1_000, until=1_050, cell=10)
    store.close()
    found = course.course([each for each in stretches if each.found.service == "course"], cells=5)
    assert {sum(found[name]) for name in found} == {each.line.amount for each in sums}
    assert found["used"] == [1, Fraction(1), 0, 0, 1]
    starts = [each for each in stretches if each.found.line.key.kind is Kind.STARTUP]
    assert sorted((each.first_cell, each.last_cell) for each in starts) == [(0, 0), (0, 1), (0, 4)]


def test_a_database_of_another_version_is_refused(server) -> None:
    import psycopg

    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute("UPDATE hybriddiffusion.version SET number = 9")
        try:
            with pytest.raises(LedgerError, match="version 9"):
                PostgresqlStore(server.address).latest()
        finally:
            connection.execute("UPDATE hybriddiffusion.version SET number = 1")


def test_a_reader_needs_no_right_to_make_tables(server, an_interval) -> None:
    import psycopg

    kept = PostgresqlStore(server.address)
    kept.put(an_interval(source="read", service="read"))
    kept.close()
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("GRANT USAGE ON SCHEMA hybriddiffusion TO reader")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA hybriddiffusion TO reader")
    reader = connect(server.address.replace("ledger:", "reader:"), is_read_only=True)
    assert any(each.service == "read" for each in reader.sums(after=0, until=EVER))
    reader.close()


def test_a_server_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(LedgerError, match="cannot be used"):
        PostgresqlStore("postgresql://user:topsecret@127.0.0.1:9/none").latest()


@pytest.mark.parametrize(
    "address", ["postgresql://user:top%secret@host/none", "postgresql://user:a@host:secret@b/none"]
)
def test_an_address_that_cannot_be_read_is_not_repeated(address: str) -> None:
    with pytest.raises(LedgerError, match="no PostgreSQL URL") as caught:
        PostgresqlStore(address).latest()
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
