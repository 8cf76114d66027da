"""Lets what we log in a replica appear where Ray Serve's own lines do, in Serve's encoding.

Serve gives its handlers to a logger of its own only; without this, our lines below WARNING are lost.
"""

import logging

_OURS = "hybrid_serving"
_SERVE = "ray.serve"


def join_serve() -> None:
    """Hang our logger below Serve's, whose level and handlers then hold for ours too."""
    logging.getLogger(_OURS).parent = logging.getLogger(_SERVE)
