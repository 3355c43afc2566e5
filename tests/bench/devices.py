"""Hot plug and unplug on a guest that runs."""

from bench.contest import Contest
from bench.stats import Row, Sample
from bench.toolstack import Toolstack, wait_guest_up

AIMS = {"xl, Debian's scripts": 0.05, "xl, compiled hotplug": 0.5}


async def plug_and_unplug(ring: Contest) -> list[Row]:
    """One disk and one NIC, in and out, by each contestant on its own running PV guest."""
    guests = {toolstack.name: await ring.guest(toolstack, 8, "pv") for toolstack in ring.toolstacks}
    for toolstack in ring.toolstacks:
        await toolstack.start(guests[toolstack.name])
        await wait_guest_up(guests[toolstack.name].name)
    disk = await ring.disk()

    async def work(toolstack: Toolstack) -> dict[str, Sample]:
        guest = guests[toolstack.name]
        mac = "00:16:3e:77:00:01"
        return {
            "VBD: plug": await ring.meter.measure(lambda: toolstack.plug_disk(guest, "xvdb", disk)),
            "VBD: unplug": await ring.meter.measure(lambda: toolstack.unplug_disk(guest, "xvdb")),
            "VIF: plug": await ring.meter.measure(lambda: toolstack.plug_nic(guest, 1, mac)),
            "VIF: unplug": await ring.meter.measure(lambda: toolstack.unplug_nic(guest, 1)),
        }

    found = await ring.turns(work)
    for toolstack in ring.toolstacks:
        await toolstack.destroy(guests[toolstack.name])
    return [Row(piece, samples, AIMS) for piece, samples in found.items()]
