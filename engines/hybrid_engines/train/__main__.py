"""`python -m hybrid_engines.train [stage…]`: makes the built-in pair, skipping what is already made."""

import argparse
import logging
import math
from pathlib import Path

import torch

from hybrid_engines.train import stages, workshop

logger = logging.getLogger("hybrid_engines.train")

STAGES = {
    "autoencoder": stages.train_autoencoder,
    "text": stages.train_text,
    "classifier": stages.train_classifier,
    "latents": stages.encode_latents,
    "large": stages.train_large,
    "small": stages.train_small,
    "quality": stages.measure_quality,
    "publish": stages.publish_pair,
}


def main() -> None:
    """Run the stages asked for, in the order given; without any, all."""
    parser = argparse.ArgumentParser(prog="python -m hybrid_engines.train", description=__doc__)
    parser.add_argument(
        "stages", nargs="*", metavar="stage", help=f"one of {', '.join(STAGES)}; all of them by default"
    )
    parser.add_argument("--folder", type=Path, default=workshop.default_folder(), help="where checkpoints are kept")
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="end each stage after so long, its learning rate run out"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.stages) - set(STAGES)
    if unknown:
        parser.error(f"unknown stage {', '.join(sorted(unknown))}; the stages are {', '.join(STAGES)}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    bench = stages.Bench(workshop=workshop.Workshop(arguments.folder), seconds=arguments.seconds)
    for name in arguments.stages or STAGES:
        if bench.workshop.is_finished(name):
            logger.info("%s is already made.", name)
            continue
        torch.manual_seed(stages.SEED)
        STAGES[name](bench)
        logger.info("%s is made: %s", name, bench.workshop.figures(name))


if __name__ == "__main__":
    main()
