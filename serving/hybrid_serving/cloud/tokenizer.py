"""A text encoder's tokenizer from its folder: `tokenizer.json`, or the older pair of `vocab.json` and `merges.txt`.

It must not import transformers: a start would take seconds longer. What it makes of the older files is CLIP's tokenizer
(Radford et al. 2021, section 2.4), as transformers makes it.
"""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

START, END = "<|startoftext|>", "<|endoftext|>"
DEFAULTS = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
"""CLIP's own, where the files beside the vocabulary are silent."""
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""What is never merged across: marks, English endings, letters, single digits, everything else."""


def read(folder: Path) -> Tokenizer:
    """The tokenizer in `folder`; it neither truncates nor pads more than its file says."""
    path = folder / "tokenizer.json"
    return Tokenizer.from_file(str(path)) if path.is_file() else _clip(folder)


def pad_token(folder: Path) -> str:
    """The padding that the text encoder was trained with; it stands beside the tokenizer, not always in it."""
    return _tokens(folder)["pad_token"].content


def _clip(folder: Path) -> Tokenizer:
    tokens = _tokens(folder)
    vocabulary, merges = models.BPE.read_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    unknown = tokens["unk_token"].content
    tokenizer = Tokenizer(
        models.BPE(
            vocabulary,
            merges,
            unk_token=unknown,
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            fuse_unk=False,
        )
    )
    _split_like_clip(tokenizer)
    tokenizer.add_special_tokens(list(tokens.values()))
    start, end = (_numbered(tokens[name], tokenizer=tokenizer) for name in ("bos_token", "eos_token"))
    tokenizer.post_processor = processors.RobertaProcessing(end, start, trim_offsets=False, add_prefix_space=False)
    return tokenizer


def _split_like_clip(tokenizer: Any) -> None:
    """Lower case and single spaces; words as bytes."""
    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), spaces, normalizers.Lowercase()])
    words = pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()


def _numbered(token: AddedToken, *, tokenizer: Tokenizer) -> tuple[str, int]:
    number = tokenizer.token_to_id(token.content)
    assert number is not None, "it was added"
    return token.content, number


def _tokens(folder: Path) -> dict[str, AddedToken]:
    """Each special token as `tokenizer_config.json` has it, or else the older `special_tokens_map.json`."""
    given = _read_json(folder / "special_tokens_map.json") | _read_json(folder / "tokenizer_config.json")
    return {name: _token(given.get(name) or default) for name, default in DEFAULTS.items()}


def _token(value: Any) -> AddedToken:
    if isinstance(value, str):
        return AddedToken(value, special=True, normalized=False)
    options = {name: value[name] for name in ("single_word", "lstrip", "rstrip", "normalized") if name in value}
    return AddedToken(value["content"], special=True, **options)


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
