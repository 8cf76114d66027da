"""Makes one entry of the cache: export, compile, check, prove, measure, publish. Imported on a miss only.

The one door to torch, diffusers and transformers: whatever serves must import this module lazily or not at all.
"""

import importlib.metadata
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hybrid_engines import admission, invariance, networks, probe, reference, resolve
from hybrid_engines.cache import Cache, Entry, EntryRefused
from hybrid_engines.engine import Facts
from hybrid_engines.parts import ModelError, read_json
from hybrid_engines.plan import Plan
from hybrid_engines.runner import CompiledEngine
from hybrid_engines.spec import Progress, Stage


def make(wanted: Plan, *, store: Cache, progress: Progress) -> CompiledEngine:
    """Build and publish; call under the key's lock."""
    key = wanted.key()
    with networks.quiet(), store.scratch(key) as folder:
        facts = _compile(wanted, folder=folder, progress=progress)
        progress(Stage.PROBE)
        entry = _examine(wanted, draft=Entry(folder, facts=facts, made=_made(), bucket=None), progress=progress)
        progress(Stage.PUBLISH)
        store.publish(entry, key=key, ingredients=wanted.ingredients())
    found = admission.find(wanted, store=store)
    if found is None:
        raise EntryRefused(f"Entry `{key}` vanished while it was published; is something else cleaning `{store.root}`?")
    return found


def _compile(wanted: Plan, *, folder: Path, progress: Progress) -> Facts:
    """Put the compiled network and its probe into `folder`; the torch module does not outlive this."""
    progress(Stage.WEIGHTS)
    module = networks.load(wanted.model, wanted.component)
    _check_unchanged(wanted)
    rows = min(2, wanted.batch_sizes[-1])
    asked = probe.question(wanted.signature, rows=rows, vocabulary=wanted.vocabulary)
    probe.write(folder, asked=asked, answer=reference.answer(module, asked))
    resolve.backend(wanted.backend).make(module, plan=wanted, folder=folder, progress=progress)
    return reference.count(module, asked)


def _check_unchanged(wanted: Plan) -> None:
    """Refuse weights that were replaced after the key was computed; an engine of theirs would lie under that key."""
    part = wanted.model.component(wanted.component)
    if read_json(part.folder / "config.json") != part.config or wanted.model.digest(wanted.component) != wanted.network:
        raise ModelError(f"`{part.folder}` was changed while it was read; open the model again.")


def _examine(wanted: Plan, *, draft: Entry, progress: Progress) -> Entry:
    """Check, prove and measure a fresh build."""
    engine = admission.open_engine(wanted, entry=draft)
    probe.check(engine, folder=draft.folder, precision=wanted.precision)
    is_proven = invariance.is_proven(engine, vocabulary=wanted.vocabulary)
    progress(Stage.MEASURE)
    milliseconds = probe.measure(engine, vocabulary=wanted.vocabulary)
    bucket = None if is_proven else invariance.fixed_bucket(milliseconds)
    return replace(draft, facts=replace(draft.facts, milliseconds=milliseconds), bucket=bucket)


def _made() -> dict[str, str]:
    """When and with what the entry was made; for people, never compared."""
    versions = {package: importlib.metadata.version(package) for package in ("torch", "diffusers", "transformers")}
    return {"time": datetime.now(UTC).isoformat(timespec="seconds"), **versions}
