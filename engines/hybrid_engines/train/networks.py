"""The networks of the pair as stock diffusers and transformers classes; nothing here trains them."""

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from hybrid_engines.train.scenes import CONTEXT, vocabulary

LATENT_CHANNELS = 8
LATENT_SIZE = 8
TEXT_WIDTH = 128
UNKNOWN, START, END, PAD = "[UNK]", "[BOS]", "[EOS]", "[PAD]"


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a word, lower case, no punctuation, always `CONTEXT` tokens: the file suffices without transformers."""
    words = {word: index for index, word in enumerate((PAD, START, END, UNKNOWN, *vocabulary()))}
    raw = Tokenizer(models.WordLevel(words, unk_token=UNKNOWN))
    strip = normalizers.Replace(Regex(r"[^\w\s]"), " ")
    raw.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), strip])
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = [(START, words[START]), (END, words[END])]
    raw.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=special)
    raw.enable_truncation(CONTEXT)
    raw.enable_padding(length=CONTEXT, pad_id=words[PAD], pad_token=PAD)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        unk_token=UNKNOWN,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        model_max_length=CONTEXT,
        padding_side="right",
    )


def text_encoder() -> CLIPTextModel:
    """Causal, as in Stable Diffusion: a padding token after the end has read the whole caption."""
    vocabulary_size = len(vocabulary()) + 4
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary_size,
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=CONTEXT,
            hidden_act="gelu",
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            projection_dim=TEXT_WIDTH,
        )
    )


def autoencoder() -> AutoencoderKL:
    """64x64 pixels to 8x8 latents; thin where the picture is large, because a CPU decodes it."""
    widths = (16, 32, 64, 64)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=64,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )


def _unet(**blocks: object) -> UNet2DConditionModel:
    """Captions enter twice: by cross-attention, and pooled into the embedding of the level (`addition_embed_type`)."""
    return UNet2DConditionModel(
        sample_size=LATENT_SIZE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(64, 128),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        **blocks,
    )


def large_unet() -> UNet2DConditionModel:
    """Two residual blocks a stage, cross-attention at both stages and in the middle."""
    return _unet(
        layers_per_block=2,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    )


def small_unet() -> UNet2DConditionModel:
    """The large one with blocks removed (BK-SDM, arXiv 2305.15798): one a stage, no middle, no attention inside."""
    return _unet(
        layers_per_block=1,
        mid_block_type=None,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )


def sampler() -> DPMSolverMultistepScheduler:
    """Stable Diffusion's noise schedule with v-prediction, sampled by DPM-Solver++ 2M (Lu et al. 2022)."""
    return DPMSolverMultistepScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        algorithm_type="dpmsolver++",
        solver_order=2,
        solver_type="midpoint",
        lower_order_final=True,
        final_sigmas_type="zero",
        timestep_spacing="linspace",
        steps_offset=1,
    )


def for_training(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """The same network laid out for a CPU: channels last, attention as plain products (fused bf16 backward is slow)."""
    unet.set_attn_processor(AttnProcessor())
    return unet.to(memory_format=torch.channels_last)
