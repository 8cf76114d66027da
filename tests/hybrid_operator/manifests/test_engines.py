"""Engine builds: the command is one that the engines' own program takes, and a Job's pod is made like its worker's."""

import pytest
from tests.hybrid_operator.manifests.samples import (
    Manifest,
    changed,
    containers,
    everything,
    longest,
    parsed,
    ray,
    readme,
    rendered,
    templates,
)

from hybrid_engines import __main__ as program
from hybrid_operator import manifests

CLAIM = {"type": "PersistentVolumeClaim", "persistentVolumeClaim": {"claimName": "engines"}}


def jobs(manifest: Manifest) -> dict[str, Manifest]:
    """Jobs by segment."""
    hd = parsed(manifest)
    made = manifests.engine_jobs(hd, revision=manifests.revision_of(hd), rendering=rendered(hd))
    return {each["metadata"]["labels"]["hybriddiffusion.io/segment"]: each for each in made}


def pod(job: Manifest) -> Manifest:
    found: Manifest = job["spec"]["template"]["spec"]
    return found


def command(job: Manifest) -> list[str]:
    (container,) = pod(job)["containers"]
    found: list[str] = container["command"]
    return found


@pytest.mark.parametrize("cache", [None, {"type": "Ephemeral"}], ids=["absent", "ephemeral"])
def test_without_a_shared_cache_there_are_no_jobs(cache: Manifest | None) -> None:
    assert jobs(changed({"spec.engineCache": cache} if cache else {})) == {}


def test_with_a_shared_cache_each_segment_has_one() -> None:
    assert jobs(everything()).keys() == {"large", "small"}


def test_the_engines_program_takes_the_command() -> None:
    made = jobs(changed({"spec.engineCache": CLAIM, "spec.segments[1].engine": {"backend": "OpenVINO", "threads": 3}}))
    large, small = (program._parser().parse_args(command(made[name])[3:]) for name in ("large", "small"))
    assert (large.uri, large.first, large.backend, large.threads) == ("builtin://shapes/large", None, "auto", 2)
    assert (small.uri, small.first, small.backend, small.threads) == (
        "builtin://shapes/small",
        "builtin://shapes/large",
        "openvino",
        3,
    )
    assert large.batch_sizes == (1, 2, 4, 8, 16)


@pytest.mark.parametrize(
    ("engine", "backend", "precision", "graph"),
    [
        ({"backend": "TensorRT", "precision": "F16"}, "tensorrt", "f16", "auto"),
        ({"backend": "TensorRT"}, "tensorrt", "auto", "auto"),
        ({"backend": "ONNXRuntime", "precision": "F32"}, "onnxruntime", "f32", "auto"),
        ({"backend": "OpenVINO", "precision": "BF16", "graph": "Static"}, "openvino", "bf16", "static"),
    ],
    ids=str,
)
def test_a_job_builds_the_engine_that_was_asked_for(engine: Manifest, backend: str, precision: str, graph: str) -> None:
    made = jobs(changed({"spec.engineCache": CLAIM, "spec.segments[1].engine": engine}))
    parsed = program._parser().parse_args(command(made["small"])[3:])
    assert (parsed.backend, parsed.precision, parsed.graph) == (backend, precision, graph)


def test_every_size_is_built() -> None:
    made = jobs(changed({"spec.engineCache": CLAIM, "spec.requests.limits.sizes": ["64x64", "64x32"]}))
    words = command(made["large"])
    assert [words[index + 1] for index, word in enumerate(words) if word == "--size"] == ["64x64", "64x32"]


def test_no_shell_reads_what_a_user_wrote() -> None:
    made = jobs(changed({"spec.engineCache": CLAIM, "spec.segments[0].model.uri": "file:///a;$(b)"}))
    assert "file:///a;$(b)" in command(made["large"])


def test_a_build_runs_where_its_worker_will() -> None:
    """An engine fits the accelerator, the instruction set and the versions of the place where it was built."""
    worker, build = templates(parsed(everything()))["large"], pod(jobs(everything())["large"])
    for field in ("nodeSelector", "tolerations", "volumes", "securityContext", "priorityClassName"):
        assert build[field] == worker["spec"][field]
    for field in ("image", "resources", "volumeMounts", "securityContext", "env"):
        assert build["containers"][0][field] == ray(worker)[field]


def test_a_build_is_no_worker() -> None:
    """Whoever counts a segment's pods, or sends requests to the ingress, must not find it."""
    for job in jobs(everything()).values():
        labels = job["spec"]["template"]["metadata"]["labels"]
        assert "hybriddiffusion.io/segment" not in labels
        assert labels["hybriddiffusion.io/role"] not in {"head", "ingress", "large", "small"}


def test_a_sidecar_of_the_worker_does_not_keep_a_job_from_ending() -> None:
    template = containers({"name": "sidecar", "image": "never:ends"})
    made = jobs(changed({"spec.engineCache": CLAIM, "spec.segments[0].workers.podTemplate": template}))
    assert [each["name"] for each in pod(made["large"])["containers"]] == ["engines"]


def test_a_refused_build_is_not_tried_again_and_a_lost_node_costs_nothing() -> None:
    spec = jobs(everything())["large"]["spec"]
    actions = {rule["action"]: rule for rule in spec["podFailurePolicy"]["rules"]}
    assert 1 in actions["FailJob"]["onExitCodes"]["values"]
    assert actions["Ignore"]["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert pod(jobs(everything())["large"])["restartPolicy"] == "Never", "a failure policy asks for it"


def test_a_finished_job_stays() -> None:
    """That it is there is how the operator knows that engines were built."""
    assert all("ttlSecondsAfterFinished" not in job["spec"] for job in jobs(everything()).values())


def test_a_failed_build_leaves_its_last_words() -> None:
    assert pod(jobs(everything())["large"])["containers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_job_names_stay_apart_and_short() -> None:
    names = {job["metadata"]["name"] for job in jobs(longest()).values()}
    assert len(names) == 2
    assert all(len(name) <= 63 for name in names)


def test_a_build_is_rendered_once() -> None:
    """A newer operator must not find another command than the one whose Job has run."""
    hd = parsed(everything())
    older = rendered(hd)
    older["engines"]["large"]["spec"]["containers"][0]["image"] = "older:1"
    made = manifests.engine_jobs(hd, revision=manifests.revision_of(hd), rendering=older)
    images = {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in made}
    assert "older:1" in images


def test_a_job_shares_nothing_with_the_record_that_it_was_made_from() -> None:
    hd = parsed(everything())
    rendering = rendered(hd)
    for job in manifests.engine_jobs(hd, revision=manifests.revision_of(hd), rendering=rendering):
        pod(job)["containers"].clear()
    assert rendering == rendered(hd)


def test_the_readme_resource_builds_in_its_pods() -> None:
    assert "engineCache" not in readme()["spec"]
    assert "initContainers" in templates(parsed(readme()))["small"]["spec"]
