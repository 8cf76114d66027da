from dataclasses import replace

import numpy as np
import pytest

from hybrid_serving.cloud.preparation import WorkRefused
from hybrid_serving.protocol import State
from hybrid_serving.sampler import SamplerError

X = np.zeros((4, 4, 4), dtype=np.float32)


@pytest.fixture
def prepare(a_replica):
    return a_replica().prepare


def test_a_size_without_an_engine_is_refused(prepare, some_work) -> None:
    with pytest.raises(WorkRefused, match="64x64 has no engine here; choose one of 32x32"):
        prepare(some_work(width=64, height=64))


def test_an_unknown_sampler_is_refused(prepare, some_work) -> None:
    with pytest.raises(SamplerError, match="dpmpp-2m"):
        prepare(some_work(sampler="unipc"))


@pytest.mark.parametrize(("position", "stop"), [(4, 3), (-1, 3), (0, 6)])
def test_numbers_out_of_order_are_refused(prepare, some_work, position, stop) -> None:
    with pytest.raises(WorkRefused, match="in ascending order"):
        prepare(some_work(steps=5, stop=stop, state=State(position, X, (X,))))


def test_a_latent_of_another_shape_is_refused(prepare, some_work) -> None:
    with pytest.raises(WorkRefused, match=r"expected \(4, 4, 4\)"):
        prepare(some_work(state=State(1, X[:2], (X,))))


def test_a_state_without_what_its_sampler_remembers_is_refused(prepare, some_work) -> None:
    with pytest.raises(WorkRefused, match="remembers 0 earlier estimates, expected 1"):
        prepare(some_work(sampler="dpmpp-2m", state=State(2, X)))
    prepare(some_work(sampler="ddim", state=State(2, X)))


def test_conditioning_without_the_row_that_guidance_takes_is_refused(prepare, some_work) -> None:
    work = some_work(conditioning={"text": np.zeros((1, 8, 6), dtype=np.float32)})
    with pytest.raises(WorkRefused, match=r"text': \(1, 8, 6\)}, expected {'text': \(2, 8, 6\)}"):
        prepare(work)
    assert prepare(replace(work, settings=replace(work.settings, guidance_scale=1.0))).rows == 1


def test_unguided_work_has_one_row_and_one_text(prepare, some_work) -> None:
    task = prepare(some_work(guidance_scale=1.0))
    assert (task.rows, len(task.texts), task.program[0].rows) == (1, 1, 1)


def test_given_conditioning_is_not_encoded(prepare, some_work) -> None:
    task = prepare(some_work(conditioning={"text": np.ones((2, 8, 6), dtype=np.float32)}))
    assert task.program[0].kind == "step"
    np.testing.assert_array_equal(task.conditioning()["text"], np.ones((2, 8, 6)))


def test_empty_conditioning_is_none_at_all(prepare, some_work) -> None:
    assert prepare(some_work(conditioning={})).program[0].kind == "encode"
