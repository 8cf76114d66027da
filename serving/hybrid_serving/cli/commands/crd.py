"""`hybrid crd`: the CustomResourceDefinition, ready for `kubectl apply`."""

from hybrid_serving.cli import output

EXAMPLES = """[bold]Examples[/]

hybrid crd | kubectl apply -f -

hybrid crd --json"""


def crd(*, as_json: output.Json = False) -> None:
    """Print the CustomResourceDefinition of HybridDiffusion, as YAML or as JSON."""
    from hybrid_api import crd as definition  # noqa: PLC0415  # no other command needs the schema

    if as_json:
        output.results().print_json(data=definition.definition())
    else:
        # As it is: a console would wrap it.
        print(definition.render(), end="")  # noqa: T201
