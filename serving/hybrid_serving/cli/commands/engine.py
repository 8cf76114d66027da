"""`hybrid engine`: what is compiled, compiling it, and seeing whether it can be trusted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from hybrid_api.scalars import parse_size
from hybrid_engines import build, catalogue, models
from hybrid_engines.backends import selection
from hybrid_engines.cache import Cache, CacheUnreadable, EntryRefused
from hybrid_engines.catalogue import Listing
from hybrid_engines.location import cache_folder
from hybrid_engines.parts import ModelError
from hybrid_engines.spec import BackendName, EngineError, EngineSpec, Graph, Precision, Stage
from hybrid_serving.cli import output
from hybrid_serving.cli.failures import Failure, UsageFailure, reported
from hybrid_serving.cli.warm import COMPONENTS

EXAMPLES = """[bold]Examples[/]

hybrid engine build builtin://shapes/large --size 64x64 --threads 2

hybrid engine build file:///models/pair/small --backend TensorRT --component unet

hybrid engine list

hybrid engine inspect 3c42

hybrid engine verify"""

application = typer.Typer(
    help="Compiled networks: list them, build them, look into them, check them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    epilog=EXAMPLES,
)

Folder = Annotated[Path | None, typer.Option("--cache", help="Folder of the engines; absent, the user's own.")]
Uri = Annotated[str, typer.Argument(help="Address of the model.", show_default=False)]
First = Annotated[str | None, typer.Option(help="The model that supplies what the folder lacks.")]
Component = Annotated[list[str] | None, typer.Option(help="One network of the model; absent, all of them.")]
Backend = Annotated[str, typer.Option(help="Auto, TensorRT, OpenVINO, ONNXRuntime or Eager.")]
Sizes = Annotated[str, typer.Option(help="Rows a call, with commas.")]
Key = Annotated[str, typer.Argument(help="The key of an engine, or how it begins.", show_default=False)]


@application.command("list", epilog=EXAMPLES)
def list_engines(*, cache: Folder = None, as_json: output.Json = False) -> None:
    """Show every engine of the cache and what is in quarantine."""
    store = Cache(cache or cache_folder())
    listings, refused = _describe_all(store)
    refused += list(catalogue.quarantined(store))
    document = {
        "cache": str(store.root),
        "engines": [_document(listing) for listing in listings],
        "refused": [{"key": key, "reason": reason} for key, reason in refused],
    }
    output.show(document, _table(listings, refused=refused), as_json=as_json)


@application.command("inspect", epilog=EXAMPLES)
def inspect(key: Key, *, cache: Folder = None, as_json: output.Json = False) -> None:
    """Show what one engine was made of, what was counted and what was measured."""
    store = Cache(cache or cache_folder())
    with reported(failure=(EngineError,)):
        document = _document(catalogue.describe(store, _the_one(store, key)))
    output.show(document, _lines(document), as_json=as_json)


@application.command("verify", epilog=EXAMPLES)
def verify(*, cache: Folder = None, as_json: output.Json = False) -> None:
    """Read every byte of every engine; what is not as it was published goes into quarantine."""
    store = Cache(cache or cache_folder())
    keys = catalogue.keys(store)
    bad: list[dict[str, str]] = []
    unreadable: list[dict[str, str]] = []
    with output.progress() as progress:
        for key in progress.track(keys, description="Reading engines"):
            try:
                catalogue.check(store, key)
            except EntryRefused as error:
                bad.append({"key": key, "reason": str(error)})
            except CacheUnreadable as error:
                unreadable.append({"key": key, "reason": str(error)})
    good = len(keys) - len(bad) - len(unreadable)
    said = f"{good} of {len(keys)} engines in {store.root} are as they were published."
    document = {"checked": len(keys), "quarantined": bad, "unreadable": unreadable}
    output.show(document, Text(said), as_json=as_json)
    if good < len(keys):
        raise Failure(
            " ".join([*_told(bad, what="were put into quarantine"), *_told(unreadable, what="cannot be read")])
        )


@application.command("build", epilog=EXAMPLES)
def build_engines(
    uri: Uri,
    *,
    first: First = None,
    component: Component = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels.")] = "64x64",
    backend: Backend = "Auto",
    precision: Annotated[str, typer.Option(help="Auto, F32, BF16 or F16.")] = "Auto",
    graph: Annotated[str, typer.Option(help="Auto, Static (one for every batch size) or Dynamic.")] = "Auto",
    batch_sizes: Sizes = "1,2,4,8,16",
    threads: Annotated[int, typer.Option(min=1, help="Threads of an engine.")] = 2,
    cache: Folder = None,
    as_json: output.Json = False,
) -> None:
    """Compile the networks of a model that are not compiled yet."""
    with reported(usage=(ValueError,), prefix=f"`--size` is `{size}`; "):
        picture = parse_size(size)
    with reported(usage=(ModelError,), failure=(EngineError,)):
        spec = EngineSpec(
            backend=cast("BackendName", backend.lower()),
            precision=cast("Precision", precision.lower()),
            graph=cast("Graph", graph.lower()),
            batch_sizes=_numbers(batch_sizes),
            threads=threads,
        )
        model = models.open_model(uri, first=models.open_model(first) if first else None)
        store = Cache(cache or cache_folder())
        wanted = [_component(name) for name in component or COMPONENTS]
        output.notes().print(selection.choose(spec).reason, soft_wrap=True)
        keys = _build(model, wanted, spec=spec, size=(picture.width, picture.height), store=store)
        listings = [catalogue.describe(store, key) for key in keys]
    document = {"cache": str(store.root), "engines": [_document(listing) for listing in listings]}
    output.show(document, _table(listings, refused=[]), as_json=as_json)


def _build(
    model: models.Model, components: list[models.Component], *, spec: EngineSpec, size: models.Size, store: Cache
) -> list[str]:
    stages, keys = list(Stage), []
    with output.progress() as progress:
        for component in components:
            task = progress.add_task(component, total=len(stages))

            def show(stage: Stage, *, task: Any = task, component: str = component) -> None:
                progress.update(task, description=f"{component}: {stage}", completed=stages.index(stage))

            prepared = build.prepare(model, component, spec=spec, size=size, cache=store.root, progress=show)
            progress.update(task, description=component, completed=len(stages))
            keys.append(prepared.entry.folder.name)
    return keys


def _told(found: list[dict[str, str]], *, what: str) -> list[str]:
    """A sentence about the engines of one kind, none where there are none."""
    return [f"{len(found)} engines {what}; the first: {found[0]['reason']}"] if found else []


def _component(name: str) -> models.Component:
    for component in COMPONENTS:
        if component == name:
            return component
    raise UsageFailure(f"`--component` is `{name}`; expected one of {', '.join(COMPONENTS)}.")


def _numbers(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UsageFailure(f"`--batch-sizes` is `{text}`; expected numbers with commas between.")
    return tuple(map(int, parts))


def _the_one(store: Cache, beginning: str) -> str:
    found = [key for key in catalogue.keys(store) if key.startswith(beginning)]
    if len(found) != 1:
        known = f"{len(found)} engines begin with it" if found else f"no engine in `{store.root}` does"
        raise UsageFailure(f"`{beginning}` does not name one engine: {known}. `hybrid engine list` shows them.")
    return found[0]


def _describe_all(store: Cache) -> tuple[list[Listing], list[tuple[str, str]]]:
    listings, refused = [], []
    for key in catalogue.keys(store):
        try:
            listings.append(catalogue.describe(store, key))
        except (EntryRefused, CacheUnreadable) as error:
            refused.append((key, str(error)))
    return listings, refused


def _document(listing: Listing) -> dict[str, Any]:
    return {
        "key": listing.key,
        "verified": listing.is_verified,
        "size_bytes": listing.size_bytes,
        **listing.made,
        **listing.facts,
        "ingredients": dict(listing.ingredients),
        "devices": [
            {"device": each.device, "bucket": each.bucket, "milliseconds": dict(each.milliseconds)}
            for each in listing.examinations
        ],
    }


def _table(listings: list[Listing], *, refused: list[tuple[str, str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("key", "network", "size", "backend", "precision", "graph", "threads", "MB", "verified"):
        table.add_column(name, justify="right" if name in {"threads", "MB"} else "left", no_wrap=True)
    for listing in listings:
        made, ingredients = listing.made, listing.ingredients
        table.add_row(
            listing.key[:12],
            f"{made.get('model')} {made.get('component')}",
            made.get("size"),
            *(str(ingredients.get(name)).split("-")[0] for name in ("backend", "precision", "graph", "threads")),
            f"{listing.size_bytes / 1e6:.1f}",
            "yes" if listing.is_verified else "no",
        )
    table.caption_justify = "left"
    table.caption = "\n".join(f"refused: {key[:12]}: {reason}" for key, reason in refused) or None
    return table


def _lines(document: Mapping[str, Any]) -> Text:
    text = Text()
    for name, value in document.items():
        if name == "devices":
            for each in value:
                times = ", ".join(f"{rows}: {found:.2f}" for rows, found in each["milliseconds"].items())
                text.append(f"{'device':22}{each['device']} (ms a call by rows: {times})\n")
        elif isinstance(value, dict):
            text.append("".join(f"{key:22}{each}\n" for key, each in value.items()))
        else:
            text.append(f"{name:22}{value}\n")
    text.rstrip()
    return text
