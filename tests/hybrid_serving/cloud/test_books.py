from hypothesis import given
from hypothesis import strategies as st

from hybrid_serving.cloud.books import Account, Books
from hybrid_serving.cloud.program import BatchKey, Item

KEY = BatchKey("unet", "base", ())


def a_step(rows: int) -> Item:
    return Item("step", KEY, rows)


def test_rows_of_padding_are_nobodys() -> None:
    books, accounts = Books(), [Account(), Account()]
    books.book([a_step(2), a_step(1)], accounts, bucket=4, nanoseconds=101)
    assert [account.nanoseconds["step"] for account in accounts] == [51, 25]
    assert (books.booked_nanoseconds, books.padding_nanoseconds) == (76, 25)
    assert (books.rows, books.padding_rows, books.calls) == ({("", "step"): 3}, 1, {"step": 1})


def test_previews_are_booked_without_being_engine_calls() -> None:
    books, account = Books(), Account()
    books.book([Item("preview", KEY, 1)], [account], bucket=0, nanoseconds=7)
    assert account.usage().nanoseconds == {"preview": 7}
    assert (books.booked_nanoseconds, books.engine_nanoseconds, books.calls) == (7, 0, {})


calls = st.lists(
    st.tuples(st.lists(st.integers(1, 2), min_size=1, max_size=8), st.integers(0, 4), st.integers(0, 10**12)),
    max_size=20,
)


@given(calls)
def test_what_is_booked_adds_up_to_what_was_measured(measured: list[tuple[list[int], int, int]]) -> None:
    books, accounts = Books(), [Account() for _ in range(8)]
    for rows, padding, nanoseconds in measured:
        items = [a_step(count) for count in rows]
        books.book(items, accounts[: len(items)], bucket=sum(rows) + padding, nanoseconds=nanoseconds)
    total = sum(nanoseconds for _, _, nanoseconds in measured)
    assert books.booked_nanoseconds + books.padding_nanoseconds == total
    assert sum(sum(account.nanoseconds.values()) for account in accounts) == books.booked_nanoseconds


def test_tenants_pay_for_their_own_rows() -> None:
    books, accounts = Books(), [Account("ada"), Account("bob")]
    books.book([a_step(2), a_step(1)], accounts, bucket=4, nanoseconds=101)
    assert books.nanoseconds == {("ada", "step"): 51, ("bob", "step"): 25}
    assert books.rows == {("ada", "step"): 2, ("bob", "step"): 1}


def test_work_in_vain_stays_booked_and_is_told_apart() -> None:
    books, ada, bob = Books(), Account("ada"), Account("bob")
    books.book([a_step(1), a_step(1)], [ada, bob], bucket=2, nanoseconds=100)
    books.discard(ada, "cancelled")
    books.discard(bob, "failed")
    assert books.vain_nanoseconds == {("ada", "cancelled"): 50, ("bob", "failed"): 50}
    assert books.booked_nanoseconds == 100


def test_a_copy_stays_as_it_was() -> None:
    books, account = Books(), Account("ada")
    books.book([a_step(1)], [account], bucket=1, nanoseconds=10)
    copy = books.copy()
    books.book([a_step(1)], [account], bucket=1, nanoseconds=10)
    books.discard(account, "failed")
    assert (copy.booked_nanoseconds, copy.vain_nanoseconds, copy.calls) == (10, {}, {"step": 1})
