"""Makes one entry of the cache: export, compile, examine, publish. Imported on a miss only.

The one door to torch, diffusers and transformers: whatever serves must import this module lazily or not at all.
"""

import importlib.metadata
from datetime import UTC, datetime
from pathlib import Path

from hybrid_engines import examination, examiner, folding, networks, probe, reference, resolve
from hybrid_engines.cache import Cache, Entry
from hybrid_engines.engine import Facts
from hybrid_engines.parts import ModelError, read_json
from hybrid_engines.plan import Plan
from hybrid_engines.spec import Progress, Stage


def make(wanted: Plan, *, store: Cache, progress: Progress) -> None:
    """Build and publish; call under the key's lock. Where nothing can run the engine it stays unexamined."""
    key = wanted.key()
    with networks.quiet(), store.scratch(key) as folder:
        draft = Entry(folder, facts=_compile(wanted, folder=folder, progress=progress), made=_made(wanted))
        if resolve.has_device(wanted.backend):
            examination.write(folder, examiner.examine(wanted, entry=draft, progress=progress))
        progress(Stage.PUBLISH)
        store.publish(draft, key=key, ingredients=wanted.ingredients())


def _compile(wanted: Plan, *, folder: Path, progress: Progress) -> Facts:
    """Put the compiled network and its probe into `folder`; the torch module does not outlive this."""
    progress(Stage.WEIGHTS)
    module = networks.load(wanted.model, wanted.component)
    _check_unchanged(wanted)
    rows = min(2, wanted.batch_sizes[-1])
    asked = probe.question(wanted.signature, rows=rows, vocabulary=wanted.vocabulary)
    probe.write(folder, asked=asked, answer=reference.answer(module, asked))
    facts = reference.count(module, asked)
    folding.fold(module)
    resolve.backend(wanted.backend).make(module, plan=wanted, folder=folder, progress=progress)
    return facts


def _check_unchanged(wanted: Plan) -> None:
    """Refuse weights that were replaced after the key was computed; an engine of theirs would lie under that key."""
    part = wanted.model.component(wanted.component)
    if read_json(part.folder / "config.json") != part.config or wanted.model.digest(wanted.component) != wanted.network:
        raise ModelError(f"`{part.folder}` was changed while it was read; open the model again.")


def _made(wanted: Plan) -> dict[str, str]:
    """Of what, when and with what the entry was made; for people, never compared."""
    versions = {package: importlib.metadata.version(package) for package in ("torch", "diffusers", "transformers")}
    return {
        "model": wanted.model.name,
        "component": wanted.component,
        "size": f"{wanted.size[0]}x{wanted.size[1]}",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **versions,
    }
