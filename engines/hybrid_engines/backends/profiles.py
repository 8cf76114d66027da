"""The arrays and static-batch profiles of a TensorRT plan: added to a build, recorded beside the plan, checked at load.

Works on TensorRT's objects without importing it. It must not compile or run anything.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_engines.plan import Plan
from hybrid_engines.signature import Port
from hybrid_engines.spec import EngineError

FILE = "profiles.json"


@dataclass(frozen=True, slots=True)
class Record:
    """What was compiled, in TensorRT's own words; a plan cannot be asked without a GPU."""

    dtypes: dict[str, str]
    """Every array's dtype by its name."""
    profiles: tuple[dict[str, tuple[int, ...]], ...]
    """Each profile's input shapes by name; least, best and greatest are one shape."""


def add(builder: Any, network: Any, config: Any, *, plan: Plan, name_of: Callable[[Any], Any]) -> Record:
    """One profile a bucket; refuses a graph whose arrays are not the signature's."""
    dtypes = {}
    for tensor, port in _pairs(network, plan=plan):
        dtypes[port.name] = np.dtype(name_of(tensor.dtype)).name
        found = (tensor.name, dtypes[port.name], *tuple(tensor.shape)[1:])
        if found != (port.name, port.dtype, *port.shape):
            raise EngineError(f"The exported graph has the array {found}, expected {port}.")
    return Record(dtypes, tuple(_add_profile(builder, config, plan=plan, rows=rows) for rows in plan.batch_sizes))


def write(folder: Path, record: Record) -> None:
    """Keep the record beside the plan."""
    (folder / FILE).write_text(json.dumps(asdict(record), indent=1))


def read(folder: Path) -> Record:
    """The record of the plan in `folder`."""
    document = json.loads((folder / FILE).read_text())
    profiles = tuple({name: tuple(shape) for name, shape in profile.items()} for profile in document["profiles"])
    return Record(dtypes=document["dtypes"], profiles=profiles)


def check(engine: Any, *, plan: Plan) -> None:
    """Refuse a loaded plan whose arrays or profiles are not those that it was built for."""
    names = {engine.get_tensor_name(index) for index in range(engine.num_io_tensors)}
    expected = {port.name for port in (*plan.signature.inputs, *plan.signature.outputs)}
    if names != expected or engine.num_optimization_profiles != len(plan.batch_sizes):
        raise EngineError(
            f"The plan has arrays {sorted(names)} and {engine.num_optimization_profiles} profiles, "
            f"expected {sorted(expected)} and {len(plan.batch_sizes)}."
        )


def _add_profile(builder: Any, config: Any, *, plan: Plan, rows: int) -> dict[str, tuple[int, ...]]:
    profile = builder.create_optimization_profile()
    for port in plan.signature.inputs:
        shape = (rows, *port.shape)
        profile.set_shape(port.name, shape, shape, shape)
    if config.add_optimization_profile(profile) < 0:
        raise EngineError(f"TensorRT refuses a profile of {rows} rows.")
    return {port.name: tuple(profile.get_shape(port.name)[1]) for port in plan.signature.inputs}


def _pairs(network: Any, *, plan: Plan) -> Iterator[tuple[Any, Port]]:
    inputs, outputs = plan.signature.inputs, plan.signature.outputs
    if (network.num_inputs, network.num_outputs) != (len(inputs), len(outputs)):
        raise EngineError(
            f"The exported graph has {network.num_inputs} inputs and {network.num_outputs} outputs, "
            f"expected {len(inputs)} and {len(outputs)}."
        )
    yield from ((network.get_input(index), port) for index, port in enumerate(inputs))
    yield from ((network.get_output(index), port) for index, port in enumerate(outputs))
