"""The application is composed from the fixed half alone, before any Ray is there."""

import warnings
from pathlib import Path

import pytest

from hybrid_api import documents, serve_config
from hybrid_api.errors import ApiError

SAMPLE = Path(__file__).parents[3] / "e2e" / "samples" / "shapes.yaml"


@pytest.fixture
def args() -> dict:
    return serve_config.fixed_half(documents.load_documents(SAMPLE.read_text()).resource)


@pytest.fixture(scope="module")
def app():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own use of pydantic
        from hybrid_serving.cloud import app
    return app


def names(application) -> list[str]:
    ingress = application._bound_deployment
    return [ingress.name, *(handle._bound_deployment.name for handle in ingress.init_args[1:])]


def test_an_ingress_stands_over_one_deployment_a_segment(app, args) -> None:
    assert names(app.build(args)) == ["Ingress", "large", "small"]


def test_the_names_are_those_that_the_document_tunes(app, args) -> None:
    resource = documents.load_documents(SAMPLE.read_text()).resource
    (application,) = serve_config.render(resource)["applications"]
    assert names(app.build(args)) == [deployment["name"] for deployment in application["deployments"]]
    assert application["import_path"] == "hybrid_serving.cloud.app:build"


def test_args_that_nobody_wrote_are_refused_before_any_replica_starts(app, args) -> None:
    with pytest.raises(ApiError, match="spec"):
        app.build({**args, "spec": {}})
