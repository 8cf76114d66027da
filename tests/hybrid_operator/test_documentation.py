"""What a resource can say of itself is explained where its users look."""

from pathlib import Path

import pytest

from hybrid_operator import cluster_errors, observed, ray, status, trouble
from hybrid_operator.rollout import Phase

PAGE = (Path(__file__).parents[2] / "docs" / "kubernetes.md").read_text(encoding="utf-8")
OF_OBSTACLES = set(cluster_errors._OBSTACLES.values())
OF_RAY = {ray.REFUSED, ray.FAILED, ray.NOT_RUNNING, ray.CRASHES}
OF_PODS = {*trouble._WAITING.values(), trouble._PODS_NOT_CREATED, "Unschedulable", observed.BUILD_FAILED}
OF_CONDITIONS = {each.type for each in status.unreadable("")}


@pytest.mark.parametrize(
    "word", sorted({each.value for each in Phase} | OF_OBSTACLES | OF_RAY | OF_PODS | OF_CONDITIONS | {"InvalidSpec"})
)
def test_every_condition_and_reason_is_explained(word: str) -> None:
    assert f"`{word}`" in PAGE
