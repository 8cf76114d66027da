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
    assert (books.busy_nanoseconds, books.padding_nanoseconds) == (76, 25)
    assert (books.rows, books.padding_rows, books.calls) == (3, 1, 1)


def test_previews_are_booked_without_being_engine_calls() -> None:
    books, account = Books(), Account()
    books.book([Item("preview", KEY, 1)], [account], bucket=0, nanoseconds=7)
    assert account.usage().nanoseconds == {"preview": 7}
    assert (books.busy_nanoseconds, books.preview_nanoseconds, books.calls, books.rows) == (7, 7, 0, 0)


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
    assert books.busy_nanoseconds + books.padding_nanoseconds == total
    assert sum(sum(account.nanoseconds.values()) for account in accounts) == books.busy_nanoseconds
