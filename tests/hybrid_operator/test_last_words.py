"""What pods died of is still known when they are gone, until their revision runs."""

from dataclasses import replace
from typing import Any

import pytest

from hybrid_operator.children import LABEL_REVISION
from hybrid_operator.last_words import LastWords
from hybrid_operator.observed import Failure, Revision, Stage
from hybrid_operator.store import Key

KEY = Key("default", "shapes")
CRASH = Failure("ContainerCrashed", "Pod `p`, container `engines`: ended with code 1: no such folder")


def seen(trouble: Failure | None = None, *, name: str = "a", service: Stage = Stage.STARTING) -> Revision:
    return Revision(name=name, service=service, trouble=trouble)


def a_crashed_pod(name: str = "p", *, revision: str = "a", **metadata: Any) -> dict[str, Any]:
    ended = {"exitCode": 1, "message": "no such folder"}
    return {
        "metadata": {"name": name, "labels": {LABEL_REVISION: revision}, **metadata},
        "status": {"containerStatuses": [{"name": "engines", "state": {"terminated": ended}}]},
    }


@pytest.fixture
def words() -> LastWords:
    """Of a pod of revision `a`, which has gone since."""
    words = LastWords()
    words.hear(KEY, a_crashed_pod())
    return words


@pytest.mark.parametrize("reason", [None, "BuildingEngines", "ApplicationNotRunning"])
def test_a_crash_is_told_while_pods_that_follow_say_less(words: LastWords, reason: str | None) -> None:
    assert words.recalled(KEY, seen(Failure(reason, "…") if reason else None)).trouble == CRASH


def test_what_pods_say_that_is_graver_comes_first(words: LastWords) -> None:
    graver = Failure("ImagePullFailed", "manifest unknown")
    assert words.recalled(KEY, seen(graver)).trouble == graver


def test_the_newest_crash_counts(words: LastWords) -> None:
    newer = replace(CRASH, message=CRASH.message.replace("`p`", "`q`"))
    words.hear(KEY, a_crashed_pod("q"))
    assert words.recalled(KEY, seen()).trouble == newer


def test_a_revision_that_runs_has_no_past(words: LastWords) -> None:
    assert words.recalled(KEY, seen(service=Stage.DONE)).trouble is None
    assert words.recalled(KEY, seen()).trouble is None


def test_another_attempt_has_no_past(words: LastWords) -> None:
    words.recalled(KEY, seen(CRASH, service=Stage.ABSENT))  # a pod of the first attempt may linger
    assert words.recalled(KEY, seen()).trouble is None


def test_what_a_build_died_of_is_known_while_its_jobs_are_there(words: LastWords) -> None:
    building = replace(seen(service=Stage.ABSENT), engines=Stage.STARTING)
    assert words.recalled(KEY, building).trouble == CRASH


def test_a_crash_between_two_looks_is_heard(words: LastWords) -> None:
    assert words.recalled(KEY, seen()).trouble == CRASH
    assert words.recalled(KEY, seen(name="b")).trouble is None


def test_a_pod_that_ends_as_told_says_nothing() -> None:
    words = LastWords()
    words.hear(KEY, a_crashed_pod(deletionTimestamp="2026-11-01T12:00:00Z"))
    assert words.recalled(KEY, seen()).trouble is None


def test_words_go_with_their_revision(words: LastWords) -> None:
    words.hear(KEY, a_crashed_pod(revision="b"))
    words.keep(KEY, revisions=["b"])
    assert words.recalled(KEY, seen()).trouble is None
    assert words.recalled(KEY, seen(name="b")).trouble == CRASH


def test_crashes_belong_to_one_revision_of_one_resource(words: LastWords) -> None:
    assert words.recalled(KEY, seen(name="b")).trouble is None
    assert words.recalled(Key("default", "other"), seen()).trouble is None
    words.forget(KEY)
    assert words.recalled(KEY, seen()).trouble is None
