"""The life of a VM as a script drives it through the Management API, step by step, each checked."""

import contextlib
from typing import Any, Final

from xenhost.agent.cli.demo.daemon import Daemon
from xenhost.agent.cli.demo.guest import GuestFiles
from xenhost.agent.cli.demo.pool_master import PASSWORD, USER, PoolClient, PoolMaster
from xenhost.agent.cli.demo.stage import Stage, Unexpected
from xenhost.agent.cli.demo.watchers import GuestConsole
from xenhost.core.units import MIB, human_size

VM: Final = "demo"
TEMPLATE: Final = "Other install media"
PATIENCE: Final = 180.0
"""Seconds for anything that a guest has to do: under emulation a boot takes many."""
DISK: Final = 64 * MIB
MEMORY: Final = 128 * MIB
NULL: Final = "OpaqueRef:NULL"


class PoolStory:
    """Tells it once."""

    def __init__(self, stage: Stage, daemon: Daemon, files: GuestFiles) -> None:
        self._stage: Final = stage
        self._daemon: Final = daemon
        self._files: Final = files
        self._master: Final = PoolMaster(files.root)
        self._client: Final = PoolClient(self._master.url, PATIENCE)
        self._console: GuestConsole | None = None
        self._vm = self._snapshot = self._sr = self._network = ""
        self._devices: list[tuple[str, str]] = []

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What else goes wrong: calls that are refused."""
        return (self._client.failure,)

    def tell(self) -> None:
        """All of it. Raises Unexpected, Failure, DaemonFailed, XenAPI.Failure, OSError where it goes wrong."""
        self._start_daemons()
        self._prepare()
        self._create()
        self._start()
        self._look()
        self._plug()
        self._take_snapshot()
        self._kill_the_agent()
        self._kill_the_master()
        self._unplug()
        self._shut_down()
        self._revert()
        self._destroy()
        self._stop_daemons()

    def clean_up(self) -> None:
        """Leave nothing behind, wherever it ended."""
        if self._console is not None:
            self._console.stop()
        if self._vm and self._daemon.pid and self._master.pid:
            with contextlib.suppress(self._client.failure, OSError):
                self._api.VM.hard_shutdown(self._vm)
        self._client.close()
        self._daemon.kill()
        self._master.kill()

    def log_tail(self) -> list[str]:
        """The ends of both logs."""
        return [*self._master.log_tail(), *self._daemon.log_tail()]

    # The steps

    def _start_daemons(self) -> None:
        with self._stage.step("start xenpoold and xenhostd") as step:
            self._master.start()
            self._daemon.start()
            step.note(f"the Management API is at {self._master.url}, user {USER}, password {PASSWORD}")
        with self._stage.step("log in with XenAPI of PyPI, and list") as step:
            self._client.log_in()
            host = self._client.until("a host of the pool is live", self._live_host)
            version = self._api.host.get_software_version(host)
            free = int(self._api.host.compute_free_memory(host))
            templates = [each for each in self._api.VM.get_all_records().values() if each["is_default_template"]]
            step.note(f"{version['hypervisor']} {version['xen']}, {human_size(free)} free, {len(templates)} templates")
        self._client.events("*", seconds=0.0)

    def _prepare(self) -> None:
        with self._stage.step("make a storage repository and a network") as step:
            folder = self._files.root / "sr"
            folder.mkdir()
            place = {"location": str(folder)}
            host = self._api.host.get_all()[0]
            self._sr = self._api.SR.create(host, place, "0", "Local storage", "", "file", "user", False, {})
            pool = self._api.pool.get_all()[0]
            self._api.pool.set_default_SR(pool, self._sr)
            record = {"name_label": "backstage", "name_description": "", "MTU": "1500", "other_config": {}}
            self._network = self._api.network.create(record)
            step.note(f"file, {self._api.network.get_bridge(self._network)}")

    def _create(self) -> None:
        with self._stage.step("make a VM of a template, with a disk and a network card") as step:
            template = self._api.VM.get_by_name_label(TEMPLATE)[0]
            self._vm = self._api.VM.clone(template, VM)
            self._api.VM.provision(self._vm)
            kernel = self._files.vm()  # no operating system is on the disk: the guest boots from a file
            self._api.VM.set_domain_type(self._vm, kernel.type)
            self._api.VM.set_PV_kernel(self._vm, kernel.kernel)
            self._api.VM.set_PV_ramdisk(self._vm, kernel.ramdisk)
            self._api.VM.set_PV_args(self._vm, f"{kernel.cmdline} run=guest-agent")
            self._api.VM.set_memory_limits(self._vm, *(str(MEMORY) for _ in range(4)))
            vbd, vif = self._disk("0"), self._card("0")
            record = self._record()
            step.expect("its disks and cards", [record["VBDs"], record["VIFs"]], [[vbd], [vif]])
            step.note(f"{kernel.type}, {human_size(MEMORY)}, {self._api.VIF.get_MAC(vif)}")

    def _start(self) -> None:
        with self._stage.step("start it, and watch the task by its events") as step:
            *_, said = self._client.task(self._api.Async.VM.start(self._vm, False, False))
            record = self._record()
            step.expect("its state", record["power_state"], "Running")
            step.note(f"{said}, domain {record['domid']}")
        self._attach_console()
        with self._stage.step("the guest comes up, and says who it is") as step:
            self._see_guest("type help" if self._files.simulated else "GUESTUP")
            self._client.until("the guest's agent speaks", lambda: self._record()["guest_metrics"] != NULL)
            metrics = self._record()["guest_metrics"]
            names = self._client.until(
                "the guest's agent names its system", lambda: self._api.VM_guest_metrics.get_os_version(metrics)
            )
            step.note(names.get("name") or names.get("distro", ""))

    def _look(self) -> None:
        with self._stage.step("read its metrics, as clients with graphs do") as step:
            uuid = self._record()["uuid"]
            found = self._client.until("numbers of the VM", lambda: self._client.metrics(uuid))
            memory = found.get("memory", 0.0)
            step.expect("its memory is measured", memory >= MEMORY / 2, True)
            step.note(f"{len(found)} data sources, memory {human_size(int(memory))}")

    def _plug(self) -> None:
        with self._stage.step("hot plug a second disk and a second network card") as step:
            vbd = self._disk(self._api.VM.get_allowed_VBD_devices(self._vm)[0])
            self._api.VBD.plug(vbd)
            vif = self._card(self._api.VM.get_allowed_VIF_devices(self._vm)[0])
            self._api.VIF.plug(vif)
            self._devices = [("VBD", vbd), ("VIF", vif)]
            self._see_devices(step, True)
            step.note(f"{self._api.VBD.get_device(vbd)} and network card {self._api.VIF.get_device(vif)}")

    def _take_snapshot(self) -> None:
        with self._stage.step("snapshot it while it runs") as step:
            *_, said = self._client.task(self._api.Async.VM.snapshot(self._vm, f"{VM} before"))
            (self._snapshot,) = self._record()["snapshots"]
            step.note(said)
        self._api.VM.set_name_description(self._vm, "changed since")

    def _kill_the_agent(self) -> None:
        before = self._record()
        with self._stage.step("kill -9 xenhostd, and start it again") as step:
            self._daemon.kill()
            if self._console is not None:
                self._console.stop()
            self._daemon.start()
            self._client.until("the host is live again", self._live_host)
            self._expect_unharmed(step, before)
            step.note(f"the VM did not notice: domain {before['domid']}, all devices attached")
        self._attach_console()
        with self._stage.step("the guest answers at its console") as step:
            if self._console is not None:
                self._console.type(b"uptime\r" if self._files.simulated else b"echo still $((40+2)) here\r")
            self._see_guest("up " if self._files.simulated else "still 42 here")
            step.note("it runs on")

    def _kill_the_master(self) -> None:
        before = self._record()
        with self._stage.step("kill -9 xenpoold, and start it again") as step:
            self._master.kill()
            self._master.start()
            self._client.token = ""
            self._client.until("the host is live again", self._live_host)  # the client logs in again by itself
            self._expect_unharmed(step, before)
            for key in ("snapshots", "name_description", "uuid"):
                step.expect(key, self._record()[key], before[key])
            step.note("everything that was acknowledged is there")
        self._client.events("*", seconds=0.0)

    def _unplug(self) -> None:
        with self._stage.step("unplug the second disk and network card") as step:
            for cls, ref in self._devices:
                getattr(self._api, cls).unplug(ref)
            self._see_devices(step, False)
            step.note("the guest let them go")

    def _shut_down(self) -> None:
        with self._stage.step("shut it down cleanly") as step:
            *_, said = self._client.task(self._api.Async.VM.clean_shutdown(self._vm))
            record = self._record()
            step.expect("its state", [record["power_state"], record["resident_on"]], ["Halted", NULL])
            step.note(said)
        if self._console is not None:
            self._console.stop()

    def _revert(self) -> None:
        with self._stage.step("revert it to its snapshot") as step:
            self._api.VM.revert(self._snapshot)
            step.expect("its description", self._record()["name_description"], "")
            step.note(f"{len(self._record()['VBDs'])} disks as they were")

    def _destroy(self) -> None:
        with self._stage.step("destroy it, its snapshot, the disks, the repository and the network") as step:
            for each in (self._snapshot, self._vm):
                self._api.VM.destroy(each)
            for vdi in self._api.VDI.get_all():
                self._api.VDI.destroy(vdi)
            self._vm = ""
            for pbd in self._api.SR.get_PBDs(self._sr):
                self._api.PBD.unplug(pbd)
            self._api.SR.destroy(self._sr)
            self._api.network.destroy(self._network)
            left = [each["name_label"] for each in self._api.VM.get_all_records().values() if not each["is_a_template"]]
            step.expect("VMs", [name for name in left if name.startswith(VM)], [])
            gone = {event["class"] for event in self._client.events("*") if event["operation"] == "del"}
            step.expect("events told of it", {"vm", "vbd", "vif", "vdi", "sr", "network"} <= gone, True)
            step.note(f"{self._client.heard} events in all")

    def _stop_daemons(self) -> None:
        with self._stage.step("stop xenhostd and xenpoold") as step:
            held = [f"{each.name} held {each.resident_mib():.0f} MiB" for each in (self._daemon, self._master)]
            self._client.close()
            step.expect("their exit status", [self._daemon.stop(), self._master.stop()], [0, 0])
            step.note(", ".join(held))

    # Parts of steps

    @property
    def _api(self) -> Any:
        return self._client.api

    def _record(self) -> dict[str, Any]:
        return dict(self._api.VM.get_record(self._vm))

    def _live_host(self) -> str | None:
        """The host, once its agent reports."""
        for ref, record in self._api.host.get_all_records().items():
            if self._api.host_metrics.get_live(record["metrics"]):
                return str(ref)
        return None

    def _disk(self, place: str) -> str:
        vdi = {
            **{"name_label": f"{VM} {place}", "name_description": "", "SR": self._sr, "virtual_size": str(DISK)},
            **{"type": "user", "sharable": False, "read_only": False, "other_config": {}},
        }
        vbd = {
            **{"VM": self._vm, "VDI": self._api.VDI.create(vdi), "userdevice": place, "bootable": place == "0"},
            **{"mode": "RW", "type": "Disk", "empty": False, "other_config": {}},
            **{"qos_algorithm_type": "", "qos_algorithm_params": {}},
        }
        return str(self._api.VBD.create(vbd))

    def _card(self, place: str) -> str:
        vif = {
            **{"VM": self._vm, "network": self._network, "device": place, "MAC": "", "MTU": "1500"},
            **{"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}},
        }
        return str(self._api.VIF.create(vif))

    def _see_devices(self, step: Any, attached: bool) -> None:
        for cls, ref in self._devices:
            step.expect(f"{cls} attached", getattr(self._api, cls).get_currently_attached(ref), attached)

    def _expect_unharmed(self, step: Any, before: dict[str, Any]) -> None:
        """The VM is as it was, once the agent has told everything."""
        self._client.until("the VM runs", lambda: self._record()["power_state"] == "Running")
        for key in ("domid", "resident_on", "VBDs", "VIFs"):
            step.expect(key, self._record()[key], before[key])
        self._see_devices(step, True)

    def _attach_console(self) -> None:
        self._console = GuestConsole(self._daemon.target, self._stage, self._record()["uuid"])
        self._console.start()

    def _see_guest(self, sign: str) -> None:
        if self._console is not None and not self._console.wait_for(sign, PATIENCE):
            raise Unexpected(f"the guest's console never said {sign!r}")
