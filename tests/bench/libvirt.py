"""libvirt's Xen driver, which is libxl with Debian's scripts behind a daemon."""

from pathlib import Path

from bench.toolstack import BRIDGE, GUESTS, MEMORY_MIB, Guest, run

URI = "xen:///system"


class Libvirt:
    """Through virsh, which is how people use it."""

    name = "libvirt"

    def __init__(self, work: Path) -> None:
        self._work = work

    async def ready(self) -> None:
        """Start its daemon. Raises CommandFailed if it does not answer."""
        await run("start-libvirt", timeout=120)
        await run("start-libvirt", timeout=60)

    async def start(self, guest: Guest) -> None:
        xml = self._work / f"{guest.name}.xml"
        kind = "<type machine='xenpv'>linux</type>" if guest.type == "pv" else "<type machine='xenpvh'>xenpvh</type>"
        xml.write_text(
            f"<domain type='xen'><name>{guest.name}</name><memory unit='MiB'>{MEMORY_MIB}</memory><vcpu>1</vcpu>"
            f"<os>{kind}<kernel>{GUESTS}/vmlinux</kernel><initrd>{GUESTS}/initrd.gz</initrd>"
            f"<cmdline>{guest.cmdline}</cmdline></os><devices>"
            f"<disk type='block'><driver name='phy'/><source dev='{guest.disk}'/><target dev='xvda' bus='xen'/></disk>"
            f"{self._nic(guest.mac)}<console type='pty'/></devices></domain>"
        )
        await run("virsh", "-q", "-c", URI, "create", str(xml))

    async def destroy(self, guest: Guest) -> None:
        await run("virsh", "-q", "-c", URI, "destroy", guest.name)

    async def plug_disk(self, guest: Guest, device: str, path: str) -> None:
        words = ["attach-disk", guest.name, path, device, "--driver", "phy", "--sourcetype", "block"]
        await run("virsh", "-q", "-c", URI, *words)

    async def unplug_disk(self, guest: Guest, device: str) -> None:
        await run("virsh", "-q", "-c", URI, "detach-disk", guest.name, device)

    async def plug_nic(self, guest: Guest, index: int, mac: str) -> None:
        await run("virsh", "-q", "-c", URI, "attach-interface", guest.name, "bridge", BRIDGE, "--mac", mac)

    async def unplug_nic(self, guest: Guest, index: int) -> None:
        mac = f"00:16:3e:77:00:{index:02x}"
        await run("virsh", "-q", "-c", URI, "detach-interface", guest.name, "bridge", "--mac", mac)

    @staticmethod
    def _nic(mac: str) -> str:
        return f"<interface type='bridge'><source bridge='{BRIDGE}'/><mac address='{mac}'/></interface>"
