"""A frame keeps running replicas running; `tests/contracts` shows leaf by leaf that Ray sees it so."""

import json

import pytest

from hybrid_api import documents, frames, serve_config
from hybrid_api.v1alpha1 import HybridDiffusion


def a_resource(*, segment: str = "large", threads: int = 2, steps: int = 25) -> HybridDiffusion:
    return documents.parse(
        {
            "metadata": {"name": "shapes"},
            "spec": {
                "segments": [
                    {
                        "name": segment,
                        "runsOn": "Cloud",
                        "model": {"uri": "builtin://shapes/large"},
                        "engine": {"threads": threads},
                    }
                ],
                "requests": {"limits": {"sizes": ["64x64"]}, "defaults": {"steps": steps}},
            },
        }
    )


def test_a_document_of_other_segments_does_not_fit() -> None:
    frame = frames.of(serve_config.render(a_resource()))
    assert not frames.is_made_for(serve_config.render(a_resource(segment="other")), frame=frame)


def test_what_makes_replicas_start_anew_is_kept() -> None:
    kept = frames.of(serve_config.render(a_resource(threads=2), on_cluster=True))
    put = frames.put(serve_config.render(a_resource(threads=3), on_cluster=True), frame=kept)
    assert frames.of(put) == kept
    assert serve_config.read_fixed(put["applications"][0]["args"]).spec.segments[0].engine.threads == 2


def test_what_is_applied_in_place_is_let_in() -> None:
    kept = frames.of(serve_config.render(a_resource(steps=25)))
    put = frames.put(serve_config.render(a_resource(steps=24)), frame=kept)
    for deployment in put["applications"][0]["deployments"]:
        assert serve_config.read_tunable(deployment["user_config"]).spec.requests.defaults.steps == 24


def test_a_frame_of_another_operator_wins_over_what_this_one_would_render() -> None:
    document = serve_config.render(a_resource())
    frame = frames.of(document)
    frame["deployments"]["large"]["ray_actor_options"] = {"num_cpus": 0.5}
    frame["import_path"] = "hybrid_serving.cloud.before:build"
    assert frames.of(frames.put(document, frame=frame)) == frame


def test_within_its_own_frame_a_document_stays_as_it_is() -> None:
    document = serve_config.render(a_resource(), on_cluster=True)
    assert frames.put(document, frame=frames.of(document)) == document


@pytest.mark.parametrize("on_cluster", [False, True])
def test_neither_document_nor_frame_is_changed(on_cluster: bool) -> None:
    document = serve_config.render(a_resource(), on_cluster=on_cluster)
    before = json.dumps(document)
    frame = frames.of(document)
    frame["deployments"]["large"]["ray_actor_options"]["num_cpus"] = 7
    frames.put(document, frame=frame)["applications"][0]["deployments"].clear()
    assert json.dumps(document) == before
