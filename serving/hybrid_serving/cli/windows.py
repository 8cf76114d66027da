"""How far back to look, as users write it."""

import re

from hybrid_serving.cli.failures import UsageFailure

_UNITS = {"m": 60, "h": 3600, "d": 86_400}
_LONGEST_SECONDS = 3650 * 86_400


def seconds(window: str) -> int:
    """The length of a window such as `24h`; raises `UsageFailure` for what is none, or lies in the future."""
    match = re.fullmatch(r"(\d{1,6})([mhd])", window.strip())
    found = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < found <= _LONGEST_SECONDS:
        raise UsageFailure(f"Found the window `{window}`, expected a number with m, h or d such as `24h`.")
    return found
