"""The operator with every question to a Service or pod aimed at one port of this machine: `python aimed.py PORT`.

There is no network of a cluster here. The questions are real HTTP all the same, so that they cost what they cost.
"""

import sys
from dataclasses import replace
from typing import Any

from hybrid_operator import __main__, probe


class Aimed(probe.DirectCaller):
    """Asks this machine, whoever was meant."""

    async def ask(self, address: probe.Address, *, port: int, **question: Any) -> tuple[int, bytes]:
        return await super().ask(replace(address, host="127.0.0.1"), port=int(sys.argv[1]), **question)


if __name__ == "__main__":
    __main__.DirectCaller = Aimed  # type: ignore[misc]  # the one seam between the process and the cluster's network
    sys.exit(__main__.main())
