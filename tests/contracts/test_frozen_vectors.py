"""Noise, sampler steps and handoffs are what they were: frozen bits that ports and devices in the field rely on.

A failure here means that old devices break. Do not freeze anew; make a new format version.
"""

import base64
import importlib.util
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_serving import handoff, noise, sampler, trajectory

FOLDER = Path(__file__).with_name("vectors")
_spec = importlib.util.spec_from_file_location("freeze_vectors", Path(__file__).with_name("freeze_vectors.py"))
freeze_vectors = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(freeze_vectors)


def frozen(title: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{title}.json").read_text())


NOISE, SAMPLER, HANDOFF = frozen("noise"), frozen("sampler"), frozen("handoff")


def floats(hexes: list[str], *, shape: list[int]) -> np.ndarray:
    return np.array([int(value, 16) for value in hexes], np.uint32).view(np.float32).reshape(shape)


def hexes(array: np.ndarray) -> list[str]:
    return [f"{int(value):08x}" for value in array.ravel().view(np.uint32)]


@pytest.mark.parametrize("vector", NOISE["philox"], ids=lambda vector: vector["seed"])
def test_philox_is_frozen(vector: dict[str, Any]) -> None:
    (words,) = freeze_vectors.philox(int(vector["seed"]), tuple(vector["counter"]))
    assert [f"{word:08x}" for word in words] == vector["words"]


@pytest.mark.parametrize("vector", NOISE["inverse_cdf"], ids=lambda vector: str(vector["word"]))
def test_the_inverse_cdf_is_frozen_to_the_last_bit_of_float64(vector: dict[str, Any]) -> None:
    (quantile,) = noise.inverse_cdf(np.array([vector["word"]], np.uint64))
    assert f"{int(quantile.view(np.uint64)):016x}" == vector["float64"]


@pytest.mark.parametrize("vector", NOISE["normals"], ids=lambda vector: vector["seed"])
def test_normals_are_frozen(vector: dict[str, Any]) -> None:
    place = {key: vector[key] for key in ("image", "step", "stream")}
    assert hexes(noise.normals(int(vector["seed"]), shape=tuple(vector["shape"]), **place)) == vector["float32"]


@pytest.mark.parametrize("vector", SAMPLER["tables"], ids=lambda vector: vector["sampler"])
def test_tables_are_frozen_to_the_rounding_of_a_math_library(vector: dict[str, Any]) -> None:
    schedule = sampler.Schedule.from_config(SAMPLER["schedule"])
    table = sampler.compile_table(schedule, sampler=vector["sampler"], steps=len(vector["entries"]))
    assert table.initial == pytest.approx(vector["initial"], rel=1e-13)
    for entry, expected in zip(table.entries, vector["entries"], strict=True):
        for field, value in expected.items():
            assert getattr(entry, field) == pytest.approx(tuple(value) if field == "history" else value, rel=1e-12)


@pytest.mark.parametrize("vector", SAMPLER["tables"], ids=lambda vector: vector["sampler"])
def test_a_trajectory_through_a_frozen_table_is_frozen_to_the_last_bit(vector: dict[str, Any]) -> None:
    settings = freeze_vectors.some_settings(vector["sampler"])
    entries = [sampler.Entry(**expected | {"history": tuple(expected["history"])}) for expected in vector["entries"]]
    table = sampler.Table(
        sampler=vector["sampler"],
        prediction="v_prediction",
        initial=vector["initial"],
        entries=tuple(entries),
        history_length=vector["history_length"],
    )
    start = trajectory.begin(settings, table=table, latent_shape=tuple(SAMPLER["shape"]))
    walk = trajectory.walk(start, table=table, stop=5, settings=settings, denoise=freeze_vectors.network)
    visited = [hexes(start.x), *(hexes(step.state.x) for step in walk)]
    assert visited == vector["x"]


def received(vector: dict[str, Any]) -> handoff.Handoff:
    keys = handoff.PublicKeys.from_texts(HANDOFF["public_keys"])
    return handoff.unpack(base64.b64decode(vector["file"]), keys=keys, now=datetime.fromisoformat(HANDOFF["now"]))


@pytest.mark.parametrize("vector", HANDOFF["files"], ids=lambda vector: vector["sampler"])
def test_a_frozen_handoff_is_read(vector: dict[str, Any]) -> None:
    parcel = received(vector)
    assert parcel.settings == freeze_vectors.some_settings(vector["sampler"])
    assert parcel.state.position == parcel.table.start == vector["position"]
    assert hexes(parcel.state.x) == vector["x"]
    assert [hexes(past) for past in parcel.state.history] == vector["history"]
    assert {name: hexes(array) for name, array in parcel.conditioning.items()} == vector["conditioning"]


@pytest.mark.parametrize("vector", HANDOFF["files"], ids=lambda vector: vector["sampler"])
def test_a_handoff_is_written_as_it_was_frozen(vector: dict[str, Any]) -> None:
    ring = handoff.KeyRing.from_texts(HANDOFF["signing_seeds"])
    assert base64.b64encode(handoff.pack(received(vector), key=ring.signing)).decode() == vector["file"]


@pytest.mark.parametrize("vector", HANDOFF["files"], ids=lambda vector: vector["sampler"])
def test_a_frozen_handoff_is_finished_to_the_last_bit(vector: dict[str, Any]) -> None:
    parcel = received(vector)
    last = trajectory.run(
        parcel.state,
        table=parcel.table,
        stop=parcel.settings.steps,
        settings=parcel.settings,
        denoise=freeze_vectors.network,
    )
    assert hexes(last.x) == vector["finished"]
