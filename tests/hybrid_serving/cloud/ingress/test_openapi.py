"""The OpenAPI page is complete, and whatever a generator makes of it is answered as documented."""

from hybrid_serving.cloud.ingress import routes


def test_every_route_is_described(service) -> None:
    document = routes.create(service).openapi()
    assert sorted(document["paths"]) == [
        "/healthz",
        "/v1/capabilities",
        "/v1/handoffs",
        "/v1/handoffs/finish",
        "/v1/handoffs/{handoff_id}/report",
        "/v1/images/estimates",
        "/v1/images/generations",
        "/v1/models",
        "/v1/models/{model}",
    ]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            assert "HTTPValidationError" not in str(operation), path
            assert ("security" in operation) == path.startswith("/v1/")


def test_every_field_of_a_request_is_described_with_examples(service) -> None:
    schemas = routes.create(service).openapi()["components"]["schemas"]
    for name in ("GenerationRequest", "HandoffRequest", "HandoffReport", "DeviceProfile"):
        for field, schema in schemas[name]["properties"].items():
            assert schema.get("description"), (name, field)
    assert schemas["GenerationRequest"]["examples"]
