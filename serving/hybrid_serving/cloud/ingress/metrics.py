"""The metrics of an ingress replica, declared in one place and exported through Ray Serve.

Base units, bounded labels: tenants are key files, segments and places are the resource's. Ray puts `ray_` before the
names; the shipped scrape configuration takes it off.
"""

from collections.abc import Mapping

from ray.serve import metrics

COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "hybriddiffusion_requests": ("Answers by path of the route and status.", ("path", "status")),
    "hybriddiffusion_images": ("Finished images, by where the last step ran.", ("tenant", "place")),
    "hybriddiffusion_steps": ("Step rows run in the cloud.", ("tenant", "segment")),
    "hybriddiffusion_booked_engine_seconds": ("Engine time booked to images.", ("tenant", "segment")),
    "hybriddiffusion_cost": ("Money spent on images, egress as a segment.", ("tenant", "segment", "currency")),
    "hybriddiffusion_all_cloud_cost": (
        "What finished images would have cost with every step on the first segment.",
        ("tenant", "currency"),
    ),
    "hybriddiffusion_compared_cost": ("What the same images did cost.", ("tenant", "currency")),
    "hybriddiffusion_egress_bytes": ("Bytes of pictures and handoffs sent.", ("tenant",)),
    "hybriddiffusion_edge_seconds": ("Computing time that devices report.", ("tenant",)),
    "hybriddiffusion_repeats": ("Stretches repeated because a replica died.", ()),
}
"""The savings fraction is 1 - rate(compared_cost) / rate(all_cloud_cost)."""


class ServeMeter:
    """Counters of this replica."""

    def __init__(self) -> None:
        self._counters = {
            name: metrics.Counter(name, description=text, tag_keys=labels) for name, (text, labels) in COUNTERS.items()
        }

    def add(self, name: str, amount: float, labels: Mapping[str, str]) -> None:
        """Add to a counter; Ray refuses zero."""
        if amount > 0:
            self._counters[name].inc(amount, tags=dict(labels))
