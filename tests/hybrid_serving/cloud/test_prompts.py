import numpy as np
import pytest

from hybrid_engines import models
from hybrid_serving.cloud.prompts import Embeddings, PromptTokenizer


@pytest.fixture(scope="module")
def tokenize() -> PromptTokenizer:
    model = models.open_model("builtin://shapes/large")
    return PromptTokenizer(model.tokenizer, length=model.max_tokens)


def test_every_text_becomes_as_many_tokens_as_the_encoder_takes(tokenize) -> None:
    tokens = tokenize(["", "a red circle", "red " * 10_000])
    assert tokens.dtype == np.int64
    assert tokens.shape[0] == 3
    assert len({len(row) for row in tokens}) == 1


def test_a_text_that_is_too_long_keeps_its_end_mark(tokenize) -> None:
    short, long = tokenize(["red", "red " * 10_000])
    assert short[2] == long[-1], "end mark"


def test_padding_is_what_the_model_was_trained_with(tokenize) -> None:
    (tokens,) = tokenize([""])
    assert len(set(tokens[2:].tolist())) == 1


def test_the_least_recently_used_embedding_leaves() -> None:
    embeddings = Embeddings(capacity=2)
    texts = [np.array([index]) for index in range(3)]
    for text in texts[:2]:
        embeddings.put(text, {})
    embeddings.get(texts[0])
    embeddings.put(texts[2], {})
    assert [embeddings.get(text) is not None for text in texts] == [True, False, True]
