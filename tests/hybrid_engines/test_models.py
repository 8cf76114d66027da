import inspect
import json

import pytest

from hybrid_engines import location, models
from hybrid_engines.parts import ASSUMED, ModelError


def opened(folder):
    return models.open_model(folder.as_uri())


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("hf://org/name", r"names no snapshot; expected `hf://organization/repository@revision`"),
        ("hf://name@abc", "names no snapshot"),
        ("builtin://shapes", "built in: `builtin://shapes/large`"),
        ("builtin://nothing/large", "There is no `builtin://nothing/large`"),
        ("builtin://../../etc", "There is no"),
        ("/absolute/path", "is no model address"),
        ("file://host/path", "is no model address"),
        ("file://[x", "is no model address; expected `builtin://pair/model`"),
        ("s3://bucket/model", "is no model address"),
        ("file:///nowhere/at/all", "holds no model"),
    ],
)
def test_an_address_that_cannot_be_opened_says_why(uri, sentence):
    with pytest.raises(ModelError, match=sentence):
        models.open_model(uri)


def test_a_single_file_is_refused_with_the_conversion_to_do(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="single file; convert it"):
        opened(tmp_path / "model.safetensors")


@pytest.mark.parametrize("given", [".", "pytorch_lora_weights.safetensors"])
def test_a_lora_is_refused_with_the_fusion_to_do(tmp_path, given):
    (tmp_path / "pytorch_lora_weights.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"is a LoRA; .+ call `fuse_lora\(\)`, and write .+ `save_pretrained\(\)`"):
        opened(tmp_path / given)


def test_a_lora_beside_a_whole_model_is_in_nobodys_way(tiny):
    (tiny / "large" / "pytorch_lora_weights.safetensors").write_bytes(b"")
    assert opened(tiny / "large").name == "tiny/large"


def test_a_network_of_another_architecture_is_refused(tiny):
    path = tiny / "large" / "unet" / "config.json"
    path.write_text(path.read_text().replace("UNet2DConditionModel", "SD3Transformer2DModel"))
    with pytest.raises(ModelError, match="holds a `SD3Transformer2DModel`, expected a `UNet2DConditionModel`"):
        opened(tiny / "large")


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_truncated_weights_are_refused_when_the_model_is_opened(tiny, keep):
    path = tiny / "large" / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match="Fetch it again"):
        opened(tiny / "large")


def rewrite_header(path, change):
    """Pass a safetensors file's header through `change`; the data and their place stay."""
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(change(json.loads(data[8:begin])), separators=(",", ":")).encode().ljust(begin - 8)
    assert len(header) == begin - 8
    path.write_bytes(data[:8] + header + data[begin:])


@pytest.mark.parametrize(
    "entry", [1, {}, {"data_offsets": 1}, {"data_offsets": [0]}, {"data_offsets": ["0", "1"]}], ids=str
)
def test_a_header_without_offsets_is_refused_when_the_model_is_opened(tiny, entry):
    rewrite_header(tiny / "large" / "vae" / "diffusion_pytorch_model.safetensors", lambda _: {"a": entry})
    with pytest.raises(ModelError, match=r"gives `a` no `data_offsets`, expected begin and end\. Fetch it again"):
        opened(tiny / "large")


def shift_an_inner_offset(header):
    first = min(header.keys() - {"__metadata__"}, key=lambda name: header[name]["data_offsets"])
    begin, end = header[first]["data_offsets"]
    return header | {first: header[first] | {"data_offsets": [begin, end - 1]}}


@pytest.mark.parametrize("component", ["text_encoder", "unet"])
def test_offsets_that_do_not_fit_the_shapes_are_refused_when_the_weights_are_read(tiny, component):
    from hybrid_engines import networks

    (path,) = (tiny / "large" / component).glob("*.safetensors")
    rewrite_header(path, shift_an_inner_offset)
    with pytest.raises(ModelError, match=f"{component}` cannot be loaded"):
        networks.load(opened(tiny / "large"), component)


@pytest.mark.parametrize("index", [{}, {"weight_map": {}}, {"weight_map": ["a"]}, {"weight_map": {"a": 1}}], ids=str)
def test_an_index_that_names_no_weights_is_refused(tiny, index):
    folder = tiny / "large" / "unet"
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"index\.json` names no weights, expected a `weight_map`"):
        opened(tiny / "large")


def test_missing_weights_are_refused(tiny):
    (tiny / "large" / "text_encoder" / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no weights as safetensors"):
        opened(tiny / "large")


def test_a_missing_schedule_is_named(tiny):
    (tiny / "large" / "scheduler" / "scheduler_config.json").unlink()
    with pytest.raises(ModelError, match=r"scheduler_config\.json` is missing"):
        opened(tiny / "large")


def test_broken_json_is_a_sentence(tiny):
    (tiny / "pair.json").write_text("{")
    with pytest.raises(ModelError, match=r"pair\.json` cannot be read as JSON"):
        opened(tiny / "large")


def test_a_pair_file_of_a_later_format_is_refused(tiny):
    path = tiny / "pair.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(ModelError, match="format 2, this release reads 1"):
        opened(tiny / "large")


def test_networks_that_do_not_fit_within_one_model_are_refused(tiny):
    path = tiny / "large" / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"cross_attention_dim": 24}))
    with pytest.raises(ModelError, match="text encoder is 16 wide, the U-Net expects 24"):
        opened(tiny / "large")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("class_embed_type", "projection"),
        ("num_class_embeds", 1000),
        ("encoder_hid_dim_type", "text_image_proj"),
        ("addition_embed_type", "text_time"),
    ],
)
def test_a_unet_with_an_input_that_engines_do_not_feed_is_refused_by_name(tiny, key, value):
    path = tiny / "large" / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(ModelError, match=f"the U-Net has `{key}` {value!r}, an input that engines do not feed"):
        opened(tiny / "large")


def test_a_unet_alone_needs_a_first_model(tiny):
    (tiny / "pair.json").unlink()
    with pytest.raises(ModelError, match="no `text_encoder/`, and no first model supplies it"):
        opened(tiny / "small")
    first = opened(tiny / "large")
    small = models.open_model((tiny / "small").as_uri(), first=first)
    assert small.text_encoder == first.text_encoder
    assert small.supplier == first.uri


def test_a_pair_supplies_what_its_small_model_lacks(tiny):
    large, small = opened(tiny / "large"), opened(tiny / "small")
    assert (small.name, small.supplier) == ("tiny/small", None)
    assert small.vae == large.vae
    assert small.schedule == large.schedule
    assert small.tokenizer == large.tokenizer
    assert small.unet != large.unet


def test_shapes_follow_the_configuration(tiny):
    model = opened(tiny / "large")
    assert model.latent_shape(16, 8) == (4, 4, 8)
    assert (model.downscale, model.max_tokens, model.text_width, model.guidance_width) == (2, 6, 16, None)
    assert (model.scaling_factor, model.prediction_type) == (0.18215, "v_prediction")
    assert model.preview is not None
    assert model.preview.matrix.shape == (3, 4)


@pytest.mark.parametrize("size", [(0, 16), (18, 16), (16, 7), (-16, 16)])
def test_a_size_that_the_unet_cannot_halve_is_refused(tiny, size):
    with pytest.raises(ModelError, match="use multiples of 4 pixels"):
        opened(tiny / "large").latent_shape(*size)


def test_an_embedded_guidance_scale_is_one_more_conditioning_array(tiny):
    path = tiny / "large" / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"time_cond_proj_dim": 32}))
    signature = opened(tiny / "large").signature("unet", size=(16, 16))
    assert [(port.name, port.shape) for port in signature.inputs] == [
        ("sample", (4, 8, 8)),
        ("level", ()),
        ("text", (6, 16)),
        ("guidance", (32,)),
    ]


def test_the_digest_of_a_network_is_the_same_wherever_it_lies(tiny, tiny_master):
    assert opened(tiny / "large").digest("unet") == opened(tiny_master / "large").digest("unet")


def test_the_digest_changes_with_a_bit_of_the_weights(tiny):
    before = opened(tiny / "large")
    digests = {name: before.digest(name) for name in ("unet", "text_encoder", "decoder")}
    path = tiny / "large" / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    after = opened(tiny / "large")
    assert [name for name in digests if after.digest(name) != digests[name]] == ["unet"]


def test_the_digest_changes_with_the_architecture_but_not_with_who_wrote_it(tiny):
    path = tiny / "large" / "unet" / "config.json"
    config = json.loads(path.read_text())
    before = opened(tiny / "large").digest("unet")
    path.write_text(json.dumps(config | {"_diffusers_version": "9.9", "_name_or_path": "elsewhere"}))
    assert opened(tiny / "large").digest("unet") == before
    path.write_text(json.dumps(config | {"norm_eps": 1e-6}))
    assert opened(tiny / "large").digest("unet") != before


@pytest.mark.parametrize("names", [(), ("vocab.json",), ("merges.txt",)], ids=str)
def test_a_tokenizer_that_is_incomplete_is_refused(tiny, names):
    folder = tiny / "large" / "tokenizer"
    (folder / "tokenizer.json").unlink()
    for name in names:
        (folder / name).write_text("")
    with pytest.raises(ModelError, match=r"neither `tokenizer\.json` nor `vocab\.json` with `merges\.txt`"):
        opened(tiny / "large")


def test_a_tokenizer_of_vocabulary_and_merges_is_one(tiny):
    folder = tiny / "large" / "tokenizer"
    (folder / "tokenizer.json").unlink()
    for name in ("vocab.json", "merges.txt"):
        (folder / name).write_text("")
    assert opened(tiny / "large").tokenizer == folder


def test_where_a_configuration_is_silent_the_library_decides(tiny):
    """The VAE of Stable Diffusion 1.4 names no scaling factor."""
    path = tiny / "large" / "vae" / "config.json"
    config = json.loads(path.read_text())
    del config["scaling_factor"]
    path.write_text(json.dumps(config))
    assert opened(tiny / "large").scaling_factor == 0.18215


@pytest.mark.parametrize("architecture", ASSUMED)
def test_what_is_assumed_is_what_the_library_assumes(architecture):
    import diffusers
    import transformers

    if architecture == "CLIPTextModel":
        config = transformers.CLIPTextConfig()
        assert {key: getattr(config, key) for key in ASSUMED[architecture]} == ASSUMED[architecture]
    else:
        known = inspect.signature(getattr(diffusers, architecture).__init__).parameters
        assert {key: known[key].default for key in ASSUMED[architecture]} == ASSUMED[architecture]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HYBRID_ENGINE_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/hybrid-diffusion/engines"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/someone/.cache/hybrid-diffusion/engines"),
        ({}, "/home/someone/.cache/hybrid-diffusion/engines"),
    ],
    ids=str,
)
def test_engines_lie_where_the_user_keeps_caches(monkeypatch, variables, expected):
    for name in ("HYBRID_ENGINE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (variables | {"HOME": "/home/someone"}).items():
        monkeypatch.setenv(name, value)
    assert str(location.cache_folder()) == expected


def test_the_builtin_pair_opens():
    large, small = (models.open_model(f"builtin://shapes/{name}") for name in ("large", "small"))
    assert large.latent_shape(64, 64) == small.latent_shape(64, 64)
    assert (small.tokenizer / "tokenizer.json").is_file()
    assert large.digest("vae") == large.digest("decoder")
