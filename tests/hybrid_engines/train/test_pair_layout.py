import json
import re
from pathlib import Path

import pytest
from tokenizers import Tokenizer

import hybrid_engines
from hybrid_engines.train import scenes

SHAPES = Path(hybrid_engines.__file__).parent / "builtin" / "shapes"
LIMIT_BYTES = 25_000_000

FILES = {
    "pair.json",
    "large/model_index.json",
    "large/scheduler/scheduler_config.json",
    "large/text_encoder/config.json",
    "large/text_encoder/model.safetensors",
    "large/tokenizer/tokenizer.json",
    "large/tokenizer/tokenizer_config.json",
    "large/unet/config.json",
    "large/unet/diffusion_pytorch_model.safetensors",
    "large/vae/config.json",
    "large/vae/diffusion_pytorch_model.safetensors",
    "small/unet/config.json",
    "small/unet/diffusion_pytorch_model.safetensors",
}


def read(name: str) -> dict[str, object]:
    return json.loads((SHAPES / name).read_text())


def test_the_pair_holds_exactly_the_files_of_its_layout() -> None:
    assert {str(path.relative_to(SHAPES)) for path in SHAPES.rglob("*") if path.is_file()} == FILES


def test_the_pair_stays_small() -> None:
    assert sum(path.stat().st_size for path in SHAPES.rglob("*")) <= LIMIT_BYTES


def test_no_configuration_says_where_it_was_made() -> None:
    for path in SHAPES.rglob("*.json"):
        assert not re.search(r'"_name_or_path"|"/(home|root|work|tmp)/', path.read_text()), path


def test_both_networks_speak_of_the_same_latents_and_captions() -> None:
    large, small, vae = read("large/unet/config.json"), read("small/unet/config.json"), read("large/vae/config.json")
    for key in ("in_channels", "out_channels", "sample_size", "cross_attention_dim"):
        assert large[key] == small[key]
    assert large["in_channels"] == vae["latent_channels"]
    assert vae["scaling_factor"] == 1.0


def test_the_preview_maps_every_latent_channel_to_rgb() -> None:
    preview = read("pair.json")["preview"]
    channels = read("large/vae/config.json")["latent_channels"]
    assert [len(row) for row in preview["matrix"]] == [channels] * 3
    assert len(preview["bias"]) == 3


@pytest.mark.parametrize("words", ["", "A red circle, above an Orange cat!", "red " * 100])
def test_every_prompt_becomes_the_same_number_of_tokens(words: str) -> None:
    tokenizer = Tokenizer.from_file(str(SHAPES / "large/tokenizer/tokenizer.json"))
    assert len(tokenizer.encode(words).ids) == scenes.CONTEXT


def test_every_caption_word_is_one_known_token() -> None:
    tokenizer = Tokenizer.from_file(str(SHAPES / "large/tokenizer/tokenizer.json"))
    unknown = tokenizer.token_to_id("[UNK]")
    for word in scenes.vocabulary():
        ids = tokenizer.encode(f"{word.upper()}!").ids
        assert unknown not in ids
        assert ids[0] == tokenizer.token_to_id("[BOS]")
        assert ids[2] == tokenizer.token_to_id("[EOS]")


@pytest.mark.skipif("quality" not in read("pair.json"), reason="the pair was published before it was measured")
def test_the_measured_curve_reaches_what_the_card_promises() -> None:
    quality = read("pair.json")["quality"]
    assert quality["prompts"] >= 1000
    curve = {row["k"]: row for row in quality["curve"]}
    assert sorted(curve) == [0, 5, 10, 15, 20, 25]
    assert [curve[k]["level"] for k in sorted(curve)] == sorted((row["level"] for row in curve.values()), reverse=True)
    whole, split, small = (curve[k]["accuracy"] for k in (25, 10, 0))
    assert whole["one"] >= 0.90
    assert whole["two"] >= 0.65
    for kind in ("one", "two", "all"):
        assert split[kind] >= whole[kind] - 0.05
    assert small["all"] <= whole["all"] - 0.10
