"""The file of one machine, and what may happen to it."""

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hybrid_serving.ledger import store
from hybrid_serving.ledger.sqlite import SqliteStore
from hybrid_serving.ledger.store import LedgerError

WRITER = Path(__file__).with_name("endless_writer.py")
EVER = 2**62


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger" / "ledger.sqlite"


def quantities(path: Path) -> dict[tuple[str, int], int]:
    """What is kept, by source and sequence."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT source, sequence, SUM(quantity) FROM line GROUP BY source, sequence").fetchall()
    heads = connection.execute("SELECT COUNT(*) FROM interval").fetchone()[0]
    connection.close()
    assert heads == len(rows), "an interval is kept with its lines or not at all"
    return {(source, sequence): quantity for source, sequence, quantity in rows}


def test_an_interval_is_kept_once_however_often_it_is_put(path, an_interval, a_line) -> None:
    kept = SqliteStore(path)
    kept.put(an_interval())
    kept.put(an_interval(a_line(quantity=99)))
    (found,) = kept.sums(after=0, until=EVER)
    kept.close()
    assert found.line == a_line()
    assert (found.service, found.currency) == ("shapes", "USD")


def test_sums_beyond_64_bits_are_exact(path, an_interval, a_line) -> None:
    kept, most = SqliteStore(path), 2**63 - 1
    for sequence in range(3):
        kept.put(an_interval(a_line(quantity=most - sequence), sequence=sequence))
    (found,) = kept.sums(after=0, until=EVER)
    assert found.line.count.quantity == 3 * most - 3
    (stretch,) = kept.course(after=0, until=EVER, cell=EVER)
    kept.close()
    assert stretch.found.line.count.quantity == 3 * most - 3


@pytest.mark.parametrize("name", ["run#2", "run?x=1", "100%41", "a b", "ä"])
def test_a_folder_may_be_called_anything(tmp_path, an_interval, name) -> None:
    path = tmp_path / name / "ledger.sqlite"
    written, read = SqliteStore(path), SqliteStore(path, is_read_only=True)
    written.put(an_interval(ended_at=7))
    assert read.latest() == 7
    written.close()
    read.close()


def test_a_window_begins_after_its_beginning_and_ends_with_its_end(path, an_interval) -> None:
    kept = SqliteStore(path)
    for sequence, ended_at in enumerate((10, 20, 30)):
        kept.put(an_interval(sequence=sequence, ended_at=ended_at))
    (found,) = kept.sums(after=10, until=30)
    assert found.line.count.rows == 4, "two intervals"
    assert kept.latest() == 30
    kept.close()


def test_what_is_forgotten_is_gone_with_its_lines_and_nothing_else_is(path, an_interval) -> None:
    kept = SqliteStore(path)
    for sequence, ended_at in enumerate((10, 20, 30)):
        kept.put(an_interval(sequence=sequence, ended_at=ended_at))
    assert kept.forget(before=20) == 1
    assert kept.forget(before=20) == 0
    kept.close()
    assert set(quantities(path)) == {("one", 1), ("one", 2)}


def test_sums_keep_prices_apart(path, an_interval, a_line) -> None:
    kept = SqliteStore(path)
    kept.put(an_interval(a_line(rate="1")))
    kept.put(an_interval(a_line(rate="1.10"), sequence=1))
    assert sorted(str(each.line.rate) for each in kept.sums(after=0, until=EVER)) == ["1", "1.10"]
    kept.close()


def test_killed_at_any_moment_it_has_what_it_committed_and_nothing_twice(path) -> None:
    acknowledged: set[tuple[str, int]] = set()
    rng = random.Random(7)
    for round_ in range(15):
        source = f"round-{round_}"
        writer = subprocess.Popen(
            [sys.executable, str(WRITER), str(path), source], stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(rng.random() * 0.06)
        writer.send_signal(signal.SIGKILL)
        acknowledged |= {(source, int(line)) for line in (first + writer.stdout.read()).split("\n")[:-1]}
        writer.wait()
        writer.stdout.close()
    kept = quantities(path)
    assert acknowledged <= set(kept), "no loss of a committed interval"
    assert len(kept) - len(acknowledged) <= 15, "at most the one that was under way, each time"
    assert all(quantity == 1_000 + sequence for (_, sequence), quantity in kept.items()), "nothing half, nothing twice"
    assert len(acknowledged) > 15


def test_two_processes_write_in_turn(path) -> None:
    writers = [
        subprocess.Popen([sys.executable, str(WRITER), str(path), name, "40"], stdout=subprocess.DEVNULL)
        for name in ("one", "two")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(quantities(path)) == 80


def test_many_that_open_a_new_ledger_at_once_wait_for_each_other(tmp_path, an_interval, a_line) -> None:
    for round_ in range(20):
        path, start = tmp_path / str(round_) / "ledger.sqlite", threading.Barrier(8)

        def write(source: str, path: Path = path, start: threading.Barrier = start) -> None:
            start.wait()
            kept = SqliteStore(path)
            kept.put(an_interval(a_line(), source=source))
            kept.close()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, map(str, range(8))))
        assert len(quantities(path)) == 8


def test_a_full_disk_is_a_sentence_and_the_interval_can_be_put_later(path) -> None:
    """The limit on the size of files stands for the disk; SQLite sees the same failed write."""
    code = (
        "import resource, sys; sys.argv = ['', sys.argv[1], 'full', '400'];"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, resource.RLIM_INFINITY));"
        f"exec(open({str(WRITER)!r}).read())"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(path)], check=False, capture_output=True, text=True, timeout=60
    )
    assert "LedgerError: The ledger" in found.stderr
    assert "check the disk" in found.stderr
    done = [int(line) for line in found.stdout.split()]
    assert set(quantities(path)) == {("full", sequence) for sequence in done}, "what was committed stays"
    again = subprocess.run(
        check=False,
        args=[sys.executable, str(WRITER), str(path), "full", "400"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert again.returncode == 0, again.stderr
    assert len(quantities(path)) == 400, "and what was not can be put when there is room, once"


def test_a_file_that_is_no_ledger_is_a_sentence(path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"something else" * 100)
    with pytest.raises(LedgerError, match="cannot be used"):
        SqliteStore(path).latest()


def test_tables_of_another_version_are_refused(path, an_interval) -> None:
    kept = SqliteStore(path)
    kept.put(an_interval())
    kept.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(LedgerError, match="version 9"):
        SqliteStore(path, is_read_only=True).latest()


def test_a_file_of_a_newer_version_is_refused_and_stays_as_it_is(path, an_interval) -> None:
    kept = SqliteStore(path)
    kept.put(an_interval())
    kept.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=2")
    connection.close()
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(LedgerError, match="found version 2"):
            SqliteStore(path).latest()
    assert path.read_bytes() == before


def test_reading_makes_no_file(path) -> None:
    with pytest.raises(LedgerError, match="nothing was served"):
        SqliteStore(path, is_read_only=True).sums(after=0, until=EVER)
    assert not path.parent.exists()


def test_an_address_of_no_known_kind_is_refused_without_its_password() -> None:
    for address in ("mysql://user:secret@host/db", "secret", "secret:host"):
        with pytest.raises(LedgerError, match="begins with something else") as caught:
            store.connect(address)
        assert "secret" not in str(caught.value)


def test_without_the_mounted_file_there_is_no_history(tmp_path: Path) -> None:
    assert store.mounted(tmp_path) is None
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "dsn").write_text(f"sqlite:///{tmp_path}/l.sqlite\n")
    assert isinstance(store.mounted(tmp_path), SqliteStore)


def test_a_mounted_address_that_is_no_text_fails_at_every_use_and_not_before(tmp_path: Path, an_interval) -> None:
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "dsn").write_bytes(b"postgresql://u:\xff@h/d")
    found = store.mounted(tmp_path)
    assert found is not None
    with pytest.raises(LedgerError, match="not UTF-8"):
        found.put(an_interval())


def test_a_mounted_address_of_no_store_fails_at_every_use_and_not_before(tmp_path: Path, an_interval) -> None:
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "dsn").write_text("mysql://u:secret@h/d")
    found = store.mounted(tmp_path)
    assert found is not None
    with pytest.raises(LedgerError, match="begins with something else"):
        found.put(an_interval())
    found.close()
