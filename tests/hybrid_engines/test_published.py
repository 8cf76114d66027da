"""Published U-Nets are rebuilt from their configurations to the exact size (Hybrid SD, arXiv 2408.06646; BK-SDM)."""

import json

import numpy as np
import pytest

from hybrid_engines import models
from hybrid_engines.parts import ModelError
from hybrid_engines.spec import EngineSpec

SIZE = (16, 16)
FULL = {"block_out_channels": [320, 640, 1280, 1280], "cross_attention_dim": 768, "sample_size": 64}
DOWN, UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
BK = FULL | {"layers_per_block": 1}
TINY = BK | {
    "block_out_channels": [320, 640, 1280],
    "down_block_types": [DOWN] * 3,
    "mid_block_type": None,
    "up_block_types": [UP] * 3,
}
PRUNED = TINY | {
    "block_mid_channels": [256, 480, 960, 320, 320, 160, 160, 96, 256],
    "block_selfattn_heads": [8, 4, 6, 6, 8, 8, 4, 8, 8],
    "block_crossattn_heads": [8] * 9,
}
LCM = {"time_cond_proj_dim": 256}
PARAMETERS = {
    "SD-1.4": (FULL, 859_520_964),
    "BK-Base": (BK, 579_384_964),
    "BK-Small": (BK | {"mid_block_type": None}, 482_346_884),
    "BK-Tiny": (TINY, 323_384_964),
    "224M": (PRUNED, 224_492_676),
    "SD-1.4 LCM": (FULL | LCM, 859_602_884),
    "224M LCM": (PRUNED | LCM, 224_574_596),
}
GIGA_MACS = {"BK-Small": (217.645, 255.447), "BK-Tiny": (204.953, 242.755), "224M": (151.282, 187.658)}


def a_network(config):
    """A U-Net on the meta device, of the shape that `config` describes."""
    import torch
    from diffusers import UNet2DConditionModel

    from hybrid_engines import widths

    with torch.device("meta"):
        return widths.build(UNet2DConditionModel, config)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_published_configuration_gives_the_published_network(name):
    config, parameters = PARAMETERS[name]
    assert sum(weight.numel() for weight in a_network(config).parameters()) == parameters


@pytest.mark.parametrize("name", GIGA_MACS)
def test_its_work_is_the_published_work(name):
    import torch

    from hybrid_engines import macs
    from hybrid_engines.networks import UNet

    inputs = (torch.zeros(1, 4, 64, 64), torch.zeros(1), torch.zeros(1, 77, 768))
    counts = macs.count(UNet(a_network(PARAMETERS[name][0])), tuple(tensor.to("meta") for tensor in inputs))
    assert (round(counts.macs / 1e9, 3), round(counts.macs_with_attention / 1e9, 3)) == GIGA_MACS[name]


# A small network with widths of its own, from folder to output.

SMALL = {
    "block_out_channels": [32, 64],
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
    "in_channels": 4,
    "out_channels": 4,
    "sample_size": 8,
    "down_block_types": [DOWN] * 2,
    "mid_block_type": None,
    "up_block_types": [UP] * 2,
    "block_mid_channels": [16, 32, 40, 48, 8, 24],
    "block_selfattn_heads": [4, 2, 3, 4, 1, 2],
    "block_crossattn_heads": [4, 4, 2, 4, 4, 3],
}


@pytest.fixture
def pruned(tiny):
    """The tiny pair with a large network of such widths, as a checkpoint in a folder."""
    import safetensors.torch
    import torch
    from diffusers import UNet2DConditionModel

    from hybrid_engines import widths

    torch.manual_seed(3)
    folder = tiny / "large" / "unet"
    unet = widths.build(UNet2DConditionModel, SMALL)
    safetensors.torch.save_file(unet.state_dict(), folder / "diffusion_pytorch_model.safetensors")
    (folder / "config.json").write_text(json.dumps({"_class_name": "UNet2DConditionModel", **SMALL}))
    return tiny


@pytest.fixture
def guided(pruned):
    """The same with an embedded guidance scale, as the 224M network for LCM has it."""
    import safetensors.torch
    from diffusers import UNet2DConditionModel

    from hybrid_engines import widths

    folder = pruned / "large" / "unet"
    config = SMALL | {"time_cond_proj_dim": 8}
    unet = widths.build(UNet2DConditionModel, config)
    safetensors.torch.save_file(unet.state_dict(), folder / "diffusion_pytorch_model.safetensors")
    (folder / "config.json").write_text(json.dumps({"_class_name": "UNet2DConditionModel", **config}))
    return pruned


def load(root):
    from hybrid_engines import networks

    return networks.load(models.open_model((root / "large").as_uri()), "unet")


def test_a_network_with_widths_of_its_own_is_loaded_and_runs(pruned):
    import torch

    network = load(pruned).network
    assert network.down_blocks[0].resnets[0].conv1.out_channels == 16
    assert network.up_blocks[1].attentions[0].transformer_blocks[0].attn1.to_q.out_features == 1 * 8
    with torch.no_grad():
        output = load(pruned)(torch.randn(2, 4, 8, 8), torch.tensor([1.0, 999.0]), torch.randn(2, 6, 16))
    assert output.shape == (2, 4, 8, 8)
    assert torch.isfinite(output).all()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"block_mid_channels": [16, 32]}, "`block_mid_channels` lists 2 values, the U-Net has 6 layers"),
        ({"block_crossattn_heads": None}, "`block_crossattn_heads` lists 0 values"),
        ({"block_mid_channels": [16, 32, 41, 48, 8, 24]}, "width of 41 is no multiple of the 8 groups"),
        ({"block_mid_channels": [16, 32, 48, 48, 8, 24]}, "do not fit the widths"),
        ({"mid_block_type": "UNetMidBlock2DCrossAttn"}, "without middle block"),
    ],
    ids=str,
)
def test_widths_that_do_not_fit_are_refused_in_a_sentence(pruned, changes, sentence):
    path = pruned / "large" / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ModelError, match=sentence):
        load(pruned)


def test_damaged_weights_of_such_a_network_are_refused_in_a_sentence(pruned):
    path = pruned / "large" / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes().replace(b'"dtype":"F32"', b'"dtype":"F16"', 1))
    with pytest.raises(ModelError, match=r"safetensors` cannot be loaded: .+ Fetch it again\.$"):
        load(pruned)


def test_missing_weights_of_such_a_network_are_named(pruned):
    import safetensors.torch

    path = pruned / "large" / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = safetensors.torch.load_file(path)
    tensors.pop("conv_in.weight")
    safetensors.torch.save_file(tensors, path)
    with pytest.raises(ModelError, match=r"lacks 1 of its weights, such as `conv_in\.weight`"):
        load(pruned)


@pytest.mark.full
@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_such_a_network_with_embedded_guidance_becomes_an_engine(guided, tmp_path, backend):
    from hybrid_engines import build, probe, reference

    model = models.open_model((guided / "large").as_uri())
    spec = EngineSpec(backend=backend, batch_sizes=(1, 4))
    engine = build.ensure(model, "unet", spec=spec, size=SIZE, cache=tmp_path / "engines")
    asked = probe.question(engine.signature, rows=3, vocabulary=10)
    given = probe.ask(engine, asked)
    assert np.max(np.abs(given - reference.answer(load(guided), asked))) <= 1e-4
    without = probe.ask(engine, asked | {"guidance": np.zeros_like(asked["guidance"])})
    assert all(np.any(given[row] != without[row]) for row in range(3)), "the guidance of a row acts on it"


@pytest.mark.component
@pytest.mark.full
def test_such_a_network_with_embedded_guidance_becomes_a_tensorrt_plan(guided, tmp_path):
    pytest.importorskip("tensorrt_rtx")
    from hybrid_engines import build
    from hybrid_engines.backends import profiles

    model = models.open_model((guided / "large").as_uri())
    spec = EngineSpec(backend="tensorrt", batch_sizes=(1, 2))
    entry = build.prepare(model, "unet", spec=spec, size=SIZE, cache=tmp_path / "engines").entry
    assert profiles.read(entry.folder).profiles[1]["guidance"] == (2, 8)
