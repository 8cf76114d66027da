"""How long a start takes with a warm cache: a replica's constructor, and the device of `hybrid edge`.

Every start is a process of its own, as in a pod or on a device; rounds visit the cases in a new order, and the first
round only warms the file system and Python's bytecode. Processor seconds are those of all threads: a busy machine
stretches the clock, hardly them. `python -m benchmarks.starts --report` draws what was measured before.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROUNDS = 9
FOLDER = Path(__file__).resolve().parents[1] / "docs"
FILE = FOLDER / "starts.json"
SAMPLE = Path(__file__).resolve().parents[1] / "e2e" / "samples" / "shapes.yaml"
FRAMEWORKS = {"torch", "diffusers", "transformers", "onnx", "onnxscript"}
BEGIN, END = "<!-- starts: begin -->", "<!-- starts: end -->"


def replica(segment: str) -> Callable[[], Callable[[], object]]:
    """Imports what a replica of the sample has, and gives its constructor."""

    def load() -> Callable[[], object]:
        from hybrid_api import documents, serve_config  # noqa: PLC0415  (timed)
        from hybrid_serving.cloud import assembly  # noqa: PLC0415

        resource = documents.load_documents(SAMPLE.read_text()).resource
        args = serve_config.fixed_half(resource)
        return lambda: assembly.worker(serve_config.read_fixed(args), segment=segment)

    return load


def edge() -> Callable[[], object]:
    """Imports what a device has, and gives its start up to the profile that it sends to the service."""
    from hybrid_engines import models  # noqa: PLC0415  (timed)
    from hybrid_engines.spec import EngineSpec  # noqa: PLC0415
    from hybrid_serving.edge.device import Device  # noqa: PLC0415

    def start() -> object:
        device = Device.open(models.open_model("builtin://shapes/small"), spec=EngineSpec(threads=2), size=(64, 64))
        return device.profile(Path(os.environ["PROFILES"]))

    return start


CASES: Mapping[str, Callable[[], Callable[[], object]]] = {
    "replica of the large U-Net": replica("large"),
    "replica of the small U-Net": replica("small"),
    "edge with the small U-Net": edge,
}


def start(case: str) -> dict[str, Any]:
    """One start in this process, in seconds."""
    spent = time.process_time()
    began = time.perf_counter()
    constructor = CASES[case]()
    imported = time.perf_counter()
    constructor()
    ended = time.perf_counter()
    return {
        "imports": imported - began,
        "constructor": ended - imported,
        "processor": time.process_time() - spent,
        "frameworks": sorted(FRAMEWORKS & set(sys.modules)),
    }


def measure(*, rounds: int) -> dict[str, Any]:
    """Seconds of every start by case; builds missing engines first."""
    found: dict[str, list[dict[str, Any]]] = {case: [] for case in CASES}
    _build()
    with tempfile.TemporaryDirectory() as folder:
        for round_number in range(rounds + 1):
            for case in random.sample(list(CASES), len(CASES)):
                result = _in_a_process(case, folder=Path(folder))
                if result["frameworks"]:
                    raise AssertionError(f"{case} imported {result['frameworks']}")
                if round_number:
                    found[case].append(result)
    from hybrid_engines import cpu  # noqa: PLC0415  (this module is started many times)

    machine = {"processor": cpu.device_name(), "processors": cpu.usable_threads(), "load": os.getloadavg()[0]}
    return {"machine": machine, "time": time.strftime("%Y-%m-%d"), "rounds": rounds, "starts": found}


def _build() -> None:
    from hybrid_api import documents  # noqa: PLC0415  (this module is started many times)
    from hybrid_engines import build  # noqa: PLC0415
    from hybrid_serving.cli import warm  # noqa: PLC0415

    for each in warm.wanted(documents.load_documents(SAMPLE.read_text()).resource):
        build.ensure(each.model, each.component, spec=each.spec, size=each.size)


def _in_a_process(case: str, *, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.starts", "--start", case]
    # With bytecode, as an installation has it, whatever the environment here says about writing it.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    kept |= {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "PROFILES": str(folder / "profiles")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=kept)
    return dict(json.loads(done.stdout))


def report(found: Mapping[str, Any]) -> None:
    """Put the table into `engines.md` between its marks, and draw the figure."""
    page = FOLDER / "engines.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n" + "\n".join(_lines(found)) + f"\n{END}{after}")
    _draw(found["starts"], path=FOLDER / "img" / "starts.png")


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    machine = found["machine"]
    yield (
        f"Measured {found['time']}, {machine['processor']}, {machine['processors']} processors, load average "
        f"{machine['load']:.1f}, {found['rounds']} starts each; seconds, median (least to most)."
    )
    yield ""
    yield "| start | imports | constructor | together | processor time |"
    yield "|---|---:|---:|---:|---:|"
    for case, starts in found["starts"].items():
        together = [each["imports"] + each["constructor"] for each in starts]
        columns = [[each[name] for each in starts] for name in ("imports", "constructor", "processor")]
        columns.insert(2, together)
        cells = (f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})" for times in columns)
        yield f"| {case} | " + " | ".join(cells) + " |"


def _draw(starts: Mapping[str, list[Mapping[str, float]]], *, path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415  (slow to import, and of use here only)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axis = plt.subplots(figsize=(8.4, 2.4))
    names, left = list(starts), [0.0] * len(starts)
    for part in ("imports", "constructor"):
        widths = [statistics.median(each[part] for each in starts[name]) for name in names]
        axis.barh(names, widths, left=left, label=part, height=0.55)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    for place, name in enumerate(names):
        totals = [each["imports"] + each["constructor"] for each in starts[name]]
        axis.plot(totals, [place] * len(totals), "k|", markersize=9, label="each start" if place == 0 else None)
    axis.axvline(2.0, color="tab:red", linestyle=":", label="2 s")
    axis.set_xlabel("seconds from an empty process")
    axis.invert_yaxis()
    axis.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", choices=list(CASES), help="start this one here, and print what it took")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--report", action="store_true", help="only draw what was measured before")
    options = parser.parse_args(arguments)
    if options.start:
        print(json.dumps(start(options.start)), flush=True)
        os._exit(0)  # without waiting for the engine loop's thread
    if not options.report:
        FILE.write_text(json.dumps(measure(rounds=options.rounds), indent=1) + "\n")
    report(json.loads(FILE.read_text()))


if __name__ == "__main__":
    main()
