"""The vocabulary that control plane and data plane share: the resource, its rendering, prices.

Pure: pydantic, PyYAML and the standard library. No Kubernetes client, no Ray, no network.
"""

__all__: list[str] = []
