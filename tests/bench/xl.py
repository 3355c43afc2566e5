"""The peer that everybody has: xl, with Debian's hotplug scripts or with one compiled program in their place."""

from pathlib import Path

from bench.toolstack import BRIDGE, GUESTS, MEMORY_MIB, Guest, run


class Xl:
    """`script` is empty for what Debian installs."""

    def __init__(self, work: Path, script: str = "") -> None:
        self.name = "xl, compiled hotplug" if script else "xl, Debian's scripts"
        self._work = work
        self._script = f",script={script}" if script else ""

    async def start(self, guest: Guest) -> None:
        config = self._work / f"{guest.name}.cfg"
        qdisk = f',"format=raw,vdev=xvdz,access=rw,backendtype=qdisk,target={guest.qdisk}"' if guest.qdisk else ""
        config.write_text(
            f'name="{guest.name}"\ntype="{guest.type}"\nmemory={MEMORY_MIB}\nvcpus=1\n'
            f'kernel="{GUESTS}/vmlinux"\nramdisk="{GUESTS}/initrd.gz"\nextra="{guest.cmdline}"\n'
            f'disk=["format=raw,vdev=xvda,access=rw{self._script},target={guest.disk}"{qdisk}]\n'
            f'vif=["mac={guest.mac},bridge={BRIDGE}{self._script}"]\n'
        )
        await run("xl", "create", "-q", str(config))

    async def destroy(self, guest: Guest) -> None:
        await run("xl", "destroy", guest.name)

    async def plug_disk(self, guest: Guest, device: str, path: str, format: str = "raw", *flags: str) -> None:
        words = ",".join([f"format={format},vdev={device},access=rw{self._script}", *flags, f"target={path}"])
        await run("xl", "block-attach", guest.name, words)

    async def unplug_disk(self, guest: Guest, device: str) -> None:
        await run("xl", "block-detach", guest.name, device)

    async def plug_nic(self, guest: Guest, index: int, mac: str) -> None:
        words = [f"mac={mac}", f"bridge={BRIDGE}"]
        await run("xl", "network-attach", guest.name, *words, *([self._script[1:]] if self._script else []))

    async def unplug_nic(self, guest: Guest, index: int) -> None:
        await run("xl", "network-detach", guest.name, str(index))
