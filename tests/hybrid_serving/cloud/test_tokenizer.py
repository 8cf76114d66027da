"""Tokenizers of both generations; the older one, as Stable Diffusion 1.4 has it, against transformers."""

import json
import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from hybrid_serving.cloud import tokenizer
from hybrid_serving.cloud.prompts import PromptTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
TEXTS = [
    "",
    "a red circle above a blue square",
    "  A   Red\tCIRCLE,\nabove\u00a0it  ",
    "it's 1234 of them!! we've seen they're (very) old...",
    "café naïve — Ёлка 東京 ½ ² 🙂",
    "cafe\u0301 \u212b \ufb01",
    f"a circle {END} and {START} more",
    "unheard-of zyzzyva_qwx@example.org",
    "<|ENDOFTEXT|> <|endoftext |>",
]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as Stable Diffusion 1.4 has it: vocabulary and merges, and what stands beside them."""
    folder = tmp_path_factory.mktemp("tokenizer")
    made = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        end_of_word_suffix="</w>",
        initial_alphabet=[*letters],
        special_tokens=[*(f"{letter}</w>" for letter in sorted(letters)), START, END],
        show_progress=False,
    )
    made.train_from_iterator(["a red circle above a blue square it is of them they are very old café"] * 9, trainer)
    made.model.save(str(folder))
    mark = {"__type": "AddedToken", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    marks = {"bos_token": mark | {"content": START}, "eos_token": mark | {"content": END}}
    configuration = marks | {"unk_token": mark | {"content": END}, "pad_token": END, "model_max_length": 77}
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration | {"tokenizer_class": "CLIPTokenizer"}))
    return folder


def random_texts(*, count: int) -> list[str]:
    rng = random.Random(5)
    letters = "abcdefg hijkl'  sre ÄÖé 012 .,!<|>\n東"
    return ["".join(rng.choice(letters) for _ in range(rng.randint(0, 60))) for _ in range(count)]


def test_vocabulary_and_merges_give_the_tokens_that_transformers_gives(clip: Path) -> None:
    from transformers import CLIPTokenizer

    reference = CLIPTokenizer.from_pretrained(clip)
    ours = PromptTokenizer(clip, length=77)
    texts = TEXTS + random_texts(count=300)
    expected = reference(texts, padding="max_length", truncation=True, max_length=77)["input_ids"]
    given = ours(texts).tolist()
    assert [text for text, ids, wanted in zip(texts, given, expected, strict=True) if ids != wanted] == []


def test_a_text_begins_and_ends_with_clips_marks(clip: Path) -> None:
    found = tokenizer.read(clip)
    ids = found.encode("red").ids
    assert (ids[0], ids[-1]) == (found.token_to_id(START), found.token_to_id(END))


def test_a_long_text_is_cut_and_keeps_its_end_mark(clip: Path) -> None:
    (tokens,) = PromptTokenizer(clip, length=9)(["red circle " * 50])
    assert len(tokens) == 9
    assert tokens[-1] == tokenizer.read(clip).token_to_id(END)


@pytest.mark.parametrize(
    ("files", "pad"),
    [
        ({"tokenizer_config.json": {"pad_token": "!"}}, "!"),
        ({"tokenizer_config.json": {"pad_token": {"content": "!"}}}, "!"),
        ({"tokenizer_config.json": {}, "special_tokens_map.json": {"pad_token": "?"}}, "?"),
        ({"tokenizer_config.json": {"pad_token": "!"}, "special_tokens_map.json": {"pad_token": "?"}}, "!"),
        ({}, END),
    ],
    ids=str,
)
def test_padding_is_what_stands_beside_the_vocabulary(tmp_path: Path, files: dict[str, object], pad: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    assert tokenizer.pad_token(tmp_path) == pad


def test_the_newer_file_is_preferred(clip: Path, tmp_path: Path) -> None:
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).write_bytes((clip / name).read_bytes())
    Tokenizer(models.WordLevel({"red": 5, END: 0}, unk_token=END)).save(str(tmp_path / "tokenizer.json"))
    assert tokenizer.read(tmp_path).encode("red").ids == [5]
