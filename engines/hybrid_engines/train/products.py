"""What the stages made, loaded for a later stage to use."""

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel

from hybrid_engines.train import autoencoder as _autoencoder
from hybrid_engines.train import classifier as _classifier
from hybrid_engines.train import dataset, evaluate, networks, renderer, scenes, text
from hybrid_engines.train.workshop import Workshop


def training_scenes() -> scenes.Labels:
    """All but the held-out ones."""
    every = scenes.all_scenes()
    return every[~scenes.held_out(every)]


def renders(labels: scenes.Labels, *, seed: int) -> Tensor:
    """Pictures of scenes (0 to 1)."""
    return torch.from_numpy(renderer.render(labels, rng=np.random.default_rng(seed)))


def some_scenes(labels: scenes.Labels, *, count: int, seed: int) -> scenes.Labels:
    """Half of one object, half of two."""
    rng = np.random.default_rng(seed)
    half = count // 2
    single, two = labels[labels[:, 1] == 0], labels[labels[:, 1] > 0]
    return np.concatenate(
        [single[rng.integers(len(single), size=half)], two[rng.integers(len(two), size=count - half)]]
    )


def calibration() -> Tensor:
    """The pictures whose latents are made unit, and to which the preview is fitted."""
    return renders(some_scenes(training_scenes(), count=1024, seed=3), seed=4)


def text_encoder(workshop: Workshop) -> CLIPTextModel:
    """Frozen."""
    encoder = networks.text_encoder()
    encoder.load_state_dict(torch.load(workshop.checkpoint("text_encoder"), weights_only=True))
    return encoder.eval().requires_grad_(requires_grad=False)


def autoencoder(workshop: Workshop) -> AutoencoderKL:
    """Frozen, its latents made unit."""
    model = workshop.load("autoencoder", networks.autoencoder()).requires_grad_(requires_grad=False)
    _autoencoder.normalize(model, calibration())
    return model.to(memory_format=torch.channels_last)


def classifier(workshop: Workshop) -> _classifier.Classifier:
    """The judge."""
    return workshop.load("classifier", _classifier.Classifier())


def large_unet(workshop: Workshop) -> UNet2DConditionModel:
    """Averaged weights, of a stage finished or under way."""
    return networks.for_training(workshop.load("large", networks.large_unet()))


def small_unet(workshop: Workshop) -> UNet2DConditionModel:
    """Averaged weights, of a stage finished or under way."""
    return networks.for_training(workshop.load("small", networks.small_unet()))


def latents(workshop: Workshop) -> dataset.Dataset:
    """What the U-Nets are trained on."""
    book = text.phrasebook(networks.tokenizer(), scenes=training_scenes())
    return dataset.load(workshop.checkpoint("latents"), book=book, encoder=text_encoder(workshop))


def studio(workshop: Workshop) -> evaluate.Studio:
    """All but the U-Nets."""
    return evaluate.Studio(
        tokenizer=networks.tokenizer(),
        encoder=text_encoder(workshop),
        autoencoder=autoencoder(workshop),
        judge=classifier(workshop),
    )
