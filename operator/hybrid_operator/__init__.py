"""The control plane: reconciles HybridDiffusion resources into Ray Serve on Kubernetes.

Ray, torch and diffusers are never imported here, not even indirectly.
"""

__all__: list[str] = []
