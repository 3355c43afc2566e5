"""Steps in the life of a domain."""

from dataclasses import dataclass, replace
from typing import ClassVar

from xenhost.agent.steps.base import BaseStep, domid_of
from xenhost.agent.steps.vdi import resolved
from xenhost.agent.steps.vif import has_functions
from xenhost.core.ids import DomId, VmId
from xenhost.core.steps import Work
from xenhost.core.vm import VmSpec, boot_disk


@dataclass(frozen=True, slots=True)
class CreateDomain(BaseStep):
    """Make the empty domain; its undo destroys it with everything that was added since."""

    kind: ClassVar[str] = "domain.create"

    def text(self, work: Work) -> str:
        """For humans."""
        return "creating the domain"

    async def apply(self, work: Work) -> None:
        """Tell the later steps its number."""
        work.domid = await work.hypervisor.create_domain(work.spec, has_functions(work))

    async def find(self, work: Work) -> None:
        """Look the domain up by its handle, if its number is not known.

        In the agent that ran it, a failed create leaves at most an unbuilt domain: a built one with that handle is
        not its work. After a restart whatever has the handle and is ours was made by the interrupted operation.
        """
        if work.domid is not None:
            return
        for domain in await work.hypervisor.domains():
            ours = domain.vm == work.spec.id and domain.managed and not domain.dying
            if ours and (work.recovering or not domain.built):
                work.domid = domain.domid

    async def undo(self, work: Work) -> None:
        """Destroy it. Completes a teardown that was cut short, even if the hypervisor has forgotten the domain."""
        if work.domid is not None:
            await _destroy(work, work.domid)
            work.domid = None


@dataclass(frozen=True, slots=True)
class BuildDomain(BaseStep):
    """Memory, kernel, vCPUs."""

    kind: ClassVar[str] = "domain.build"
    weight: ClassVar[int] = 10

    @property
    def deadline(self) -> float:
        """Much memory takes its time."""
        return 1200.0

    def text(self, work: Work) -> str:
        """For humans."""
        return f"building domain {work.domid}"

    async def apply(self, work: Work) -> None:
        """Build it. A boot loader reads the first disk."""
        await work.hypervisor.build_domain(domid_of(work), _bootable(work))


@dataclass(frozen=True, slots=True)
class StartDeviceModel(BaseStep):
    """The emulator of an HVM domain."""

    kind: ClassVar[str] = "domain.device_model"
    weight: ClassVar[int] = 4

    @property
    def deadline(self) -> float:
        """Until QMP answers."""
        return 300.0

    def text(self, work: Work) -> str:
        """For humans."""
        return f"starting the device model of domain {work.domid}"

    async def apply(self, work: Work) -> None:
        """Return when it answers."""
        await work.hypervisor.start_device_model(domid_of(work), work.spec)


@dataclass(frozen=True, slots=True)
class SetScheduling(BaseStep):
    """Affinity, weight and cap."""

    kind: ClassVar[str] = "domain.scheduling"

    def text(self, work: Work) -> str:
        """For humans."""
        return f"setting the scheduling of domain {work.domid}"

    async def apply(self, work: Work) -> None:
        """As the specification says."""
        await work.hypervisor.set_scheduling(domid_of(work), work.spec)


@dataclass(frozen=True, slots=True)
class PauseDomain(BaseStep):
    """Stop the vCPUs."""

    kind: ClassVar[str] = "domain.pause"

    def text(self, work: Work) -> str:
        """For humans."""
        return f"pausing domain {work.domid}"

    async def apply(self, work: Work) -> None:
        """Pause it."""
        await work.hypervisor.pause_domain(domid_of(work))

    async def undo(self, work: Work) -> None:
        """Let it run again."""
        await work.hypervisor.unpause_domain(domid_of(work))


@dataclass(frozen=True, slots=True)
class UnpauseDomain(BaseStep):
    """Let the vCPUs run. In a start it is the last step, and what cannot be taken back."""

    kind: ClassVar[str] = "domain.unpause"

    def text(self, work: Work) -> str:
        """For humans."""
        return f"starting the vCPUs of domain {work.domid}"

    async def apply(self, work: Work) -> None:
        """Unpause it."""
        await work.hypervisor.unpause_domain(domid_of(work))

    async def happened(self, work: Work) -> bool:
        """A domain that runs or has run was unpaused, so everything before is done: never destroy a running guest."""
        if work.domid is None:
            return False
        domain = await work.hypervisor.domain(work.domid)
        if domain is None or domain.vm != work.spec.id or not domain.built or domain.dying:
            return False
        return not domain.paused or domain.shutdown is not None


@dataclass(frozen=True, slots=True)
class DestroyDomain(BaseStep):
    """End a domain and everything made for it."""

    kind: ClassVar[str] = "domain.destroy"
    weight: ClassVar[int] = 3
    domid: DomId
    vm: VmId

    def text(self, work: Work) -> str:
        """For humans."""
        return f"destroying domain {self.domid}"

    async def apply(self, work: Work) -> None:
        """Also completes a teardown cut short. Domain numbers start again with the host, so look whose it is."""
        domain = await work.hypervisor.domain(self.domid)
        if domain is not None and domain.vm != self.vm and not domain.dying:
            return
        await _destroy(work, self.domid)
        if work.domid == self.domid:
            work.domid = None


async def _destroy(work: Work, domid: DomId) -> None:
    """With the settings of its virtual functions; if we die in between, the next VIF that gets one sets it anew."""
    devices = await work.hypervisor.devices(domid) if has_functions(work) else ()
    await work.hypervisor.destroy_domain(domid)
    for device in devices:
        if device.function:
            await work.networks.give_back(device.function, work.hypervisor.functions)


def _bootable(work: Work) -> VmSpec:
    """The specification, with the disk that a boot loader looks at as the hypervisor finds it."""
    disk = boot_disk(work.spec)
    if disk is None:
        return work.spec
    return replace(work.spec, vbds=tuple(resolved(work, vbd) if vbd is disk else vbd for vbd in work.spec.vbds))
