"""The environment of Ray's containers. A variable that nobody reads is ignored in silence, so its name is checked."""

import importlib.util
from pathlib import Path

import pytest
from tests.hybrid_operator.manifests.samples import ray, resource, templates, variables

from hybrid_engines.location import cache_folder
from hybrid_serving.cloud import logs, mounts


def everywhere() -> dict[str, dict[str, str]]:
    """Variables by group."""
    return {group: variables(ray(template)) for group, template in templates(resource()).items()}


def test_ray_serve_knows_every_variable_that_is_meant_for_it() -> None:
    found = importlib.util.find_spec("ray")
    assert found is not None
    assert found.origin is not None
    known = (Path(found.origin).parent / "serve/_private/constants.py").read_text()
    names = {name for each in everywhere().values() for name in each if name.startswith("RAY_SERVE_")}
    assert names
    assert {name for name in names if f'"{name}"' not in known} == set()


def test_every_node_serves_by_haproxy_and_is_tuned_for_throughput() -> None:
    """A node that lacks one of them would be the slow one."""
    for each in everywhere().values():
        assert each["RAY_SERVE_ENABLE_HA_PROXY"] == each["RAY_SERVE_THROUGHPUT_OPTIMIZED"] == "1"
        assert each["RAY_worker_niceness"] == "0"
        assert each["RAY_USAGE_STATS_ENABLED"] == "0"


def test_no_line_is_held_back_and_lost() -> None:
    assert {each["RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE"] for each in everywhere().values()} == {"1"}


def test_clients_cannot_steer_serve_on_any_node() -> None:
    path = {each["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"] for each in everywhere().values()}
    assert path == {"hybrid_serving.cloud.ingress.proxy:middlewares"}


def test_replicas_find_their_engines_by_this_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in everywhere().values():
        monkeypatch.setenv("HYBRID_ENGINE_CACHE", each["HYBRID_ENGINE_CACHE"])
        assert str(cache_folder()) == each["HYBRID_ENGINE_CACHE"]


def test_replicas_look_for_keys_and_write_their_log_by_these_names() -> None:
    assert all({mounts.VARIABLE, logs.VARIABLE} <= each.keys() for each in everywhere().values())
