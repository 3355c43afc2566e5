"""Open vSwitch as ground for the promises of the switch port."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from contract.switch_kernel import KernelGround
from kit.openvswitch import OvsDaemons
from xenhost.core.network import SslFiles
from xenhost.drivers.network.ovs.switch import OvsSwitch

DEVIATIONS: Final[Mapping[str, str]] = {
    "promiscuous_vif_sees_all": "Open vSwitch shows a port only what is for it, and says so when it is asked for more",
}


_MODPROBE: Final = Path("/proc/sys/kernel/modprobe")
_MODULES: Final = ("openvswitch", "vport-vxlan", "vport-gre", "ip6_gre", "bonding", "sch_htb", "sch_ingress", "veth")


@contextmanager
def kernel_modules() -> Iterator[None]:
    """Those that are needed, and no looking for others.

    The kernel runs modprobe, slow in the test bed, whenever ovs-vswitchd asks for an interface that is not there yet.
    """
    subprocess.run(["modprobe", "-a", *_MODULES], check=True, timeout=60)
    before = _MODPROBE.read_text()
    _MODPROBE.write_text("\n")
    try:
        yield
    finally:
        _MODPROBE.write_text(before)


class OvsGround(KernelGround):
    """`daemons` live in the host's namespace."""

    switch: OvsSwitch

    def __init__(self, daemons: OvsDaemons, deviations: Mapping[str, str]) -> None:
        super().__init__()
        self.daemons: Final = daemons
        self._deviations: Final = {**DEVIATIONS, **deviations}
        self.ssl = _keys(daemons.rundir)
        self.switch = self._made()

    @property
    def deviations(self) -> Mapping[str, str]:
        """See SwitchGround."""
        return self._deviations

    def _made(self) -> OvsSwitch:
        return OvsSwitch(self.daemons.rundir, self.daemons.datapath_type, ssl=self.ssl)

    async def restart(self) -> None:
        """See SwitchGround."""
        await self.switch.close()
        self.switch = self._made()
        await self.switch.open()

    async def foreign_bridge(self, name: str, *ports: str) -> None:
        """See SwitchGround."""
        words = ["add-br", name, "--", "set", "bridge", name, f"datapath_type={self.daemons.datapath_type or 'system'}"]
        for port in ports:
            words += ["--", "add-port", name, port]
        await asyncio.to_thread(self.daemons.vsctl, *words)


def _keys(folder: Path) -> SslFiles:
    """Of this host, signed by itself."""
    key, certificate = folder / "host.key", folder / "host.crt"
    words = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=host", "-days", "2"]
    subprocess.run(
        ["openssl", "req", "-x509", *words, "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return SslFiles(str(key), str(certificate), str(certificate))


@asynccontextmanager
async def standing(daemons: OvsDaemons, deviations: Mapping[str, str]) -> AsyncIterator[OvsGround]:
    """A ground with everything up, and nothing left afterwards."""
    ground = OvsGround(daemons, deviations)
    try:
        with ground.host.entered():
            daemons.start()
            try:
                await ground.switch.open()
                yield ground
                await ground.switch.close()
            finally:
                daemons.stop()
    finally:
        ground.close()
