"""Requests generated from the OpenAPI document: nothing makes the service fail, and answers are as documented."""

import base64

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from hybrid_serving.cloud.ingress import routes
from hybrid_serving.handoff import MEDIA_TYPE


@schemathesis.serializer(MEDIA_TYPE)
def _as_is(context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.fixture
def operations(service, mounts):
    (mounts / "signing").mkdir()
    (mounts / "signing" / "a").write_text(base64.b64encode(bytes(32)).decode())
    api = schemathesis.openapi.from_asgi("/openapi.json", routes.create(service))
    return [result.ok() for result in api.get_all_operations()]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_makes_the_service_fail(operations, mode) -> None:
    checked = 0
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and operation.method == "get" and "{" not in operation.path:
            continue  # nothing about it can be wrong

        @settings(
            max_examples=25,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case) -> None:
            nonlocal checked
            checked += 1
            case.call_and_validate(checks=CHECKS)

        check()
    assert checked > 50
