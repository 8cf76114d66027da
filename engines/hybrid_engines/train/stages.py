"""The stages of `make pair`, each a function of the workshop: what it needs is loaded, what it made is left there."""

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from hybrid_engines.train import autoencoder as _autoencoder
from hybrid_engines.train import classifier as _classifier
from hybrid_engines.train import (
    dataset,
    denoiser,
    distil,
    evaluate,
    networks,
    plot,
    products,
    publish,
    quality,
    scenes,
    text,
    training,
)
from hybrid_engines.train.workshop import Workshop

logger = logging.getLogger(__name__)

LATENTS = 32_000
SEED = 1


@dataclass(frozen=True, slots=True)
class Bench:
    """One run: where, and how long a stage may take at most."""

    workshop: Workshop
    seconds: float = math.inf

    def budget(self, *, samples: int, batch: int, parts: int = 1) -> training.Budget:
        """A stage's budget, cut short by the run's."""
        return training.Budget(samples=samples, batch=batch, parts=parts, seconds=self.seconds)


def train_text(bench: Bench) -> None:
    """Needs nothing."""
    labels = products.training_scenes()
    book = text.phrasebook(networks.tokenizer(), scenes=labels)
    encoder = networks.text_encoder()

    def trainer_of(module: nn.Module) -> training.Trainer:
        return training.Trainer(module, lr=2e-3, checkpoint=bench.workshop.checkpoint("text"), muon_lr=2e-3)

    budget = bench.budget(samples=75_000, batch=256, parts=4)
    read = text.train(encoder, book=book, scenes=labels, trainer_of=trainer_of, budget=budget, seed=SEED)
    torch.save(encoder.state_dict(), bench.workshop.checkpoint("text_encoder"))
    bench.workshop.finish("text", read=read)


def train_autoencoder(bench: Bench) -> None:
    """Needs nothing."""
    labels = products.training_scenes()
    model = networks.autoencoder()
    trainer = training.Trainer(model, lr=2e-3, checkpoint=bench.workshop.checkpoint("autoencoder"), muon_lr=5e-3)
    _autoencoder.train(model, trainer=trainer, scenes=labels, budget=bench.budget(samples=22_000, batch=16))
    model = products.autoencoder(bench.workshop)
    pixels = products.renders(products.some_scenes(labels, count=512, seed=5), seed=6)
    psnr = _autoencoder.psnr(model, pixels)
    bench.workshop.finish("autoencoder", psnr=psnr, samples=trainer.samples, seconds=trainer.seconds)


def train_classifier(bench: Bench) -> None:
    """Needs the autoencoder."""
    labels = scenes.all_scenes()
    vae = products.autoencoder(bench.workshop)
    model = _classifier.Classifier()
    trainer = training.Trainer(model, lr=2e-3, checkpoint=bench.workshop.checkpoint("classifier"), muon_lr=2e-3)
    budget = bench.budget(samples=27_000, batch=64)
    _classifier.train(model, trainer=trainer, scenes=labels, autoencoder=vae, budget=budget)
    model = products.classifier(bench.workshop)
    rows = products.some_scenes(labels, count=2000, seed=7)
    pixels = products.renders(rows, seed=8)
    with torch.no_grad():
        given_back = [
            _autoencoder.decode(vae, _autoencoder.encode(vae, part)).clamp(0, 1) for part in torch.split(pixels, 250)
        ]
    renders, reconstructions = (_classifier.compare(model.read(p), rows)[1] for p in (pixels, torch.cat(given_back)))
    bench.workshop.finish("classifier", renders=asdict(renders), reconstructions=asdict(reconstructions))


def encode_latents(bench: Bench) -> None:
    """Needs the autoencoder."""
    vae = products.autoencoder(bench.workshop)
    path = bench.workshop.checkpoint("latents")
    dataset.draw_latents(vae, scenes=products.training_scenes(), count=LATENTS, seed=SEED, path=path)
    bench.workshop.finish("latents", count=LATENTS)


def _watch(workshop: Workshop, *, stage: str, splits: Sequence[int]) -> training.Watch:
    """Accuracies on scenes of the training set: all that tuning may look at."""
    prompts = scenes.draw_prompts(products.training_scenes(), singles=24, twos=48, seed=11)
    tools = products.studio(workshop)
    reference = quality.reference_features(prompts, studio=tools)

    def watch() -> dict[str, float]:
        small = products.small_unet(workshop) if stage == "small" else None
        recipe = evaluate.Recipe(large=products.large_unet(workshop), small=small)
        figures: dict[str, float] = {}
        for k, pixels in evaluate.draw(prompts, studio=tools, recipe=recipe, splits=splits).items():
            found = evaluate.score(pixels, prompts, judge=tools.judge, reference=reference)
            readings = {"one": found.one_slots, "two": found.two_slots}
            shares = {f"{name}_{slot}": v for name, r in readings.items() for slot, v in asdict(r).items()}
            figures |= {f"k{k}_{name}": value for name, value in (shares | {"frechet": found.frechet}).items()}
            evaluate.contact_sheet(list(torch.split(pixels[12:60], 12))).save(
                workshop.folder / f"watch-{stage}-{k}.png"
            )
        return figures

    return watch


def train_large(bench: Bench) -> None:
    """Needs text encoder, latents and classifier."""
    data = products.latents(bench.workshop)
    unet = networks.for_training(networks.large_unet())
    trainer = training.Trainer(unet, lr=1e-3, checkpoint=bench.workshop.checkpoint("large"), muon_lr=5e-3)
    budget = bench.budget(samples=120_000, batch=128, parts=4)
    watch = _watch(bench.workshop, stage="large", splits=(25,))
    training.run(trainer, budget=budget, loss=denoiser.DenoisingLoss(unet, data=data), every=50, watch=watch)
    bench.workshop.finish("large", samples=trainer.samples, seconds=trainer.seconds)


def train_small(bench: Bench) -> None:
    """Needs the large network."""
    data = products.latents(bench.workshop)
    large, small = products.large_unet(bench.workshop), networks.small_unet()
    distil.inherit(small, large)
    networks.for_training(small)
    trainer = training.Trainer(small, lr=1e-3, checkpoint=bench.workshop.checkpoint("small"), muon_lr=2e-3)
    budget = bench.budget(samples=44_000, batch=128, parts=4)
    watch = _watch(bench.workshop, stage="small", splits=(0, 5, 10))
    loss = distil.DistillationLoss(small, large=large, data=data)
    training.run(trainer, budget=budget, loss=loss, every=50, watch=watch)
    bench.workshop.finish("small", samples=trainer.samples, seconds=trainer.seconds)


def measure_quality(bench: Bench) -> None:
    """Of the weights as they ship: rounded to fp16, computed in fp32."""
    workshop = bench.workshop
    tools = products.studio(workshop)
    large, small = products.large_unet(workshop), products.small_unet(workshop)
    for module in (tools.encoder, tools.autoencoder, large, small):
        module.half().float()
    recipe = evaluate.Recipe(large=large, small=small)
    prompts = scenes.held_out_prompts()
    parts: dict[int, list[Tensor]] = {k: [] for k in quality.SPLITS}
    for start in range(0, len(prompts), 120):
        some = prompts[start : start + 120]
        for k, pixels in evaluate.draw(some, studio=tools, recipe=recipe, splits=quality.SPLITS).items():
            parts[k].append(pixels)
        logger.info("Drew %d of %d prompts at every split.", start + len(some), len(prompts))
    pictures = {k: torch.cat(part) for k, part in parts.items()}
    rows = quality.curve(pictures, prompts, studio=tools)
    for row in rows:
        logger.info("k=%s accuracy=%s frechet=%s", row["k"], row["accuracy"], row["frechet"])
    quality.sheet(pictures, prompts).save(workshop.folder / "sheet.png")
    measured = {"rows": rows, "prompts": len(prompts)}
    (workshop.folder / "curve.md").write_text(quality.table(measured))
    plot.save(measured, workshop.folder / "curve.png")
    workshop.finish("quality", **measured)


def publish_pair(bench: Bench) -> None:
    """Needs the networks; says what quality they have, if that was measured."""
    workshop = bench.workshop
    vae = products.autoencoder(workshop)
    pixels = products.calibration()
    with torch.no_grad():
        preview = publish.fit_preview(_autoencoder.encode(vae, pixels), pixels)
    pair = publish.Pair(
        text_encoder=products.text_encoder(workshop),
        autoencoder=vae.to(memory_format=torch.contiguous_format),
        large=workshop.load("large", networks.large_unet()),
        small=workshop.load("small", networks.small_unet()),
    )
    measured = workshop.figures("quality") if workshop.is_finished("quality") else None
    size = publish.publish(pair, preview=preview, quality=quality.document(measured) if measured else None)
    workshop.finish("publish", size_bytes=size)
