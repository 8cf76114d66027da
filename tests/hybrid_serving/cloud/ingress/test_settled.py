from hybrid_serving.cloud.ingress.settled import Settled


def test_only_the_first_time_is_the_first() -> None:
    settled = Settled()
    assert [settled.settle(each) for each in ("a", "b", "a", "b")] == [True, True, False, False]


def test_the_oldest_is_forgotten_first() -> None:
    settled = Settled(limit=2)
    for each in ("a", "b", "c"):
        settled.settle(each)
    assert [settled.settle(each) for each in ("b", "c", "a")] == [False, False, True]
