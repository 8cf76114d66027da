"""containerd with runc: its configuration, and images without a registry.

Everything lies in the cluster's own folders, so a containerd that the machine has for itself is not touched.
"""

from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import layout, network, processes

_PLUGINS = "/usr/lib/cni"
_CONFIGURATION = """\
version = 2
root = "{folder}/containerd"
state = "{run}/containerd"

[grpc]
address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{sandbox}"
disable_apparmor = true
# Without CAP_SYS_RESOURCE a sandbox may not lower its score: "can't get final child's PID from pipe: EOF".
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"  # crun refuses hybrid cgroups

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
Root = "{run}/runc"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{folder}/cni"
"""
_POD_NETWORK = """\
{{"cniVersion": "0.4.0", "name": "{name}", "plugins": [{{
  "type": "bridge", "bridge": "{bridge}", "isGateway": true, "hairpinMode": true,
  "ipam": {{"type": "host-local", "dataDir": "{folder}/addresses",
           "ranges": [[{{"subnet": "{pods}"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}
}}]}}
"""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A container runtime of one cluster."""

    place: processes.Place
    run: Path
    """For sockets, whose paths must be short."""
    sandbox: str
    """Image of the container that holds a pod's namespaces."""

    @property
    def socket(self) -> Path:
        return self.run / "containerd.sock"

    def command(self) -> list[str]:
        """The daemon's command, once its files are written."""
        folder = self.place.folder
        (folder / "cni").mkdir(exist_ok=True)
        self.run.mkdir(exist_ok=True)
        pods = _POD_NETWORK.format(name=layout.POD_NETWORK, bridge=network.BRIDGE, folder=folder, pods=network.PODS)
        (folder / "cni" / "10-pods.conflist").write_text(pods, encoding="utf-8")
        configuration = folder / "containerd.toml"
        text = _CONFIGURATION.format(
            folder=folder, run=self.run, socket=self.socket, sandbox=self.sandbox, plugins=_PLUGINS
        )
        configuration.write_text(text, encoding="utf-8")
        return ["containerd", f"--config={configuration}"]

    def is_ready(self) -> bool:
        """Whether the daemon answers."""
        try:
            self.control("version")
        except processes.NotStartedError:
            return False
        return True

    def load(self, archive: Path) -> None:
        """Import the images of an archive as `docker save` or `buildah push` writes it."""
        self.control("images", "import", str(archive))

    def control(self, *arguments: str) -> str:
        """containerd's own client, in the namespace of the kubelet's objects."""
        return processes.call(["ctr", f"--address={self.socket}", "--namespace=k8s.io", *arguments], place=self.place)
