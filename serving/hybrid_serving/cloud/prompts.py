"""Prompts as tokens, and the embeddings of recent ones.

Tokenizing truncates and pads to what the text encoder takes. The cache saves engine calls, which then are not booked
either; equal tokens give equal embeddings, so it changes no picture.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybrid_serving.cloud import tokenizer

Tokens = NDArray[np.int64]
Embedding = Mapping[str, NDArray[np.float32]]
"""One text's arrays by name, without batch axis."""


class PromptTokenizer:
    """Texts to int64 tokens `[texts, length]`."""

    def __init__(self, folder: Path, *, length: int) -> None:
        self._tokenizer = tokenizer.read(folder)
        self._tokenizer.enable_truncation(length)
        pad_token = tokenizer.pad_token(folder)
        self._tokenizer.enable_padding(
            length=length, pad_token=pad_token, pad_id=self._tokenizer.token_to_id(pad_token) or 0
        )

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokens of each text, truncated and padded."""
        return np.array([encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))], dtype=np.int64)


class Embeddings:
    """The most recently used embeddings by tokens. Threads may share it."""

    def __init__(self, *, capacity: int = 128) -> None:
        self._capacity = capacity
        self._recent: OrderedDict[bytes, Embedding] = OrderedDict()
        self._lock = threading.Lock()
        self.hits = self.misses = 0

    def get(self, tokens: Tokens) -> Embedding | None:
        """The embedding of one text, if it was used lately."""
        key = tokens.tobytes()
        with self._lock:
            found = self._recent.get(key)
            if found is None:
                self.misses += 1
            else:
                self.hits += 1
                self._recent.move_to_end(key)
            return found

    def put(self, tokens: Tokens, embedding: Embedding) -> None:
        """Remember one text's embedding; the least recently used one leaves."""
        with self._lock:
            self._recent[tokens.tobytes()] = embedding
            if len(self._recent) > self._capacity:
                self._recent.popitem(last=False)
