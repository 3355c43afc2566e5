"""The main job, step by step, each checked."""

import contextlib
import time
from collections.abc import Callable
from typing import Any, Final

from xenhost.agent.cli.client import Client
from xenhost.agent.cli.demo.daemon import Daemon
from xenhost.agent.cli.demo.guest import GuestFiles
from xenhost.agent.cli.demo.network import DemoNetwork
from xenhost.agent.cli.demo.stage import Stage, Unexpected
from xenhost.agent.cli.demo.storage import DemoStorage
from xenhost.agent.cli.demo.watchers import Events, GuestConsole, shown_devices, words
from xenhost.agent.cli.failure import Failure, failed
from xenhost.agent.cli.parse import DiskArg, NicArg
from xenhost.agent.cli.shapes import operation_shape, shape
from xenhost.agent.cli.vm_args import vbd_message, vif_message, vm_message
from xenhost.api.host.v1 import vbd_service_pb2, vif_service_pb2, vm_service_pb2
from xenhost.core.units import human_size

VM: Final = "demo"
PATIENCE: Final = 180.0
"""Seconds for anything that a guest has to do: under emulation a boot takes many."""


class Story:
    """Tells it once."""

    def __init__(self, stage: Stage, daemon: Daemon, files: GuestFiles) -> None:
        self._stage: Final = stage
        self._daemon: Final = daemon
        self._files: Final = files
        self._storage: Final = DemoStorage(stage, files.root / "sr", wanted=files.simulated)
        self._network: Final = DemoNetwork(stage)
        self._client: Client | None = None
        self._console: GuestConsole | None = None
        self._domid = 0
        self._done = False

    failures: Final[tuple[type[Exception], ...]] = ()
    """What else goes wrong."""

    def tell(self) -> None:
        """All of it. Raises Unexpected, Failure, DaemonFailed, OSError where it goes wrong."""
        self._start_agent()
        events = Events(self._daemon.target)
        events.start()
        self._storage.make(self._api, self._finished)
        self._create()
        self._start()
        self._query()
        self._plug()
        self._network.make(self._api, self._finished)
        self._network.move(self._api, self._finished, VM, 1)
        self._kill_and_restart()
        self._storage.snapshot(self._api, self._finished)
        seen = events.stop()
        more = Events(self._daemon.target)
        more.start()
        self._unplug()
        self._shut_down()
        self._delete()
        self._storage.remove(self._api, self._finished)
        self._network.remove(self._api, self._finished)
        with self._stage.step("events that were told meanwhile") as step:
            more.wait_for("vm deleted")
            seen += more.stop()
            for kind in ("vm added", "vm modified", "vm deleted", "operation added", "operation modified"):
                if not seen[kind]:
                    raise Unexpected(f"no event told of `{kind}`; there were {words(seen) or 'none'}")
            step.note(words(seen))
        self._stop_agent()

    def clean_up(self) -> None:
        """Leave nothing behind, wherever it ended."""
        if self._console is not None:
            self._console.stop()
        if not self._done and self._daemon.pid:
            with contextlib.suppress(Failure, Unexpected), Client(self._daemon.target) as client:
                self._client = client
                with contextlib.suppress(Failure):
                    self._run(client.vms.ShutdownVm, vm_service_pb2.ShutdownVmRequest(id=VM, hard=True))
                client.call(client.vms.DeleteVm, vm_service_pb2.DeleteVmRequest(id=VM))
        self._daemon.kill()

    def log_tail(self) -> list[str]:
        """The end of the daemon's log."""
        return self._daemon.log_tail()

    # The steps

    def _start_agent(self) -> None:
        with self._stage.step("start xenhostd") as step:
            self._daemon.start()
            self._client = Client(self._daemon.target)
            host = self._client.host()
            free = human_size(host.memory_free_bytes)
            step.note(f"{host.hypervisor} {host.hypervisor_version}, {host.cpus} CPUs, {free} free")

    def _create(self) -> None:
        with self._stage.step("create a VM with disks and a network card") as step:
            vm = self._files.vm()
            vm.disks += self._storage.disks()
            request = vm_service_pb2.CreateVmRequest(vm=vm_message(vm))
            made = shape(self._call(self._api.vms.CreateVm, request))
            step.expect("its state", made["status"]["power_state"], "halted")
            step.note(f"{made['type']}, {human_size(made['memory']['static_max_bytes'])}, {made['vifs'][0]['mac']}")

    def _start(self) -> None:
        with self._stage.step("start it") as step:
            vm = self._run(self._api.vms.StartVm, vm_service_pb2.StartVmRequest(id=VM))
            step.expect("its state", vm["status"]["power_state"], "running")
            self._domid = vm["status"]["domid"]
            step.note(f"domain {self._domid}")
        self._attach_console()
        with self._stage.step("the guest comes up and connects its devices") as step:
            self._wait_devices(dict.fromkeys(self._devices, "attached"))
            self._see_guest_up()
            step.note(f"{', '.join(self._devices)} attached")

    def _query(self) -> None:
        with self._stage.step("query it") as step:
            vm = shape(self._api.vm(VM))
            mine = [shape(domain) for domain in self._api.domains() if domain.domid == self._domid]
            step.expect("its domain", [domain["vm_id"] for domain in mine], [vm["id"]])
            step.expect("managed by us", mine[0]["managed"], True)
            step.note(f"{human_size(vm['status']['memory_bytes'])}, {vm['status']['vcpus_online']} vCPU online")

    def _plug(self) -> None:
        disk = vbd_message(DiskArg(str(self._files.second_disk)), "xvdb")
        with self._stage.step("hot plug a second disk") as step:
            self._run(self._api.vbds.PlugVbd, vbd_service_pb2.PlugVbdRequest(vm_id=VM, vbd=disk))
            self._wait_devices({"xvdb": "attached"})
            step.note("xvdb attached")
        nic = vif_message(NicArg(self._files.bridge), 1)
        with self._stage.step("hot plug a second network card") as step:
            self._run(self._api.vifs.PlugVif, vif_service_pb2.PlugVifRequest(vm_id=VM, vif=nic))
            self._wait_devices({"nic1": "attached"})
            step.note("network card 1 attached")

    def _kill_and_restart(self) -> None:
        before, host = shape(self._api.vm(VM)), self._api.host()
        with self._stage.step("kill -9 xenhostd, and start it again") as step:
            self._daemon.kill()
            self._api.close()
            if self._console is not None:
                self._console.stop()
            self._daemon.start()
            self._client = Client(self._daemon.target)
            step.expect("a new instance", self._api.host().instance_id != host.instance_id, True)
            step.expect("the host's id", self._api.host().id, host.id)
            step.note(f"now process {self._daemon.pid}")
        with self._stage.step("the VM did not notice") as step:
            after = shape(self._api.vm(VM))
            for key in ("power_state", "domid", "started"):
                step.expect(key, after["status"][key], before["status"][key])
            devices = (*self._devices, "xvdb", "nic1")
            self._wait_devices(dict.fromkeys(devices, "attached"))
            step.note(f"domain {self._domid}, {len(devices)} devices attached")
        self._attach_console()
        self._see_guest_answer()

    def _unplug(self) -> None:
        with self._stage.step("unplug the second disk and network card") as step:
            self._run(self._api.vbds.UnplugVbd, vbd_service_pb2.UnplugVbdRequest(vm_id=VM, device="xvdb"))
            self._run(self._api.vifs.UnplugVif, vif_service_pb2.UnplugVifRequest(vm_id=VM, index=1))
            step.expect("its devices", sorted(shown_devices(self._api.vm(VM))), sorted(self._devices))
            step.note("the guest let them go")

    def _shut_down(self) -> None:
        with self._stage.step("shut it down cleanly") as step:
            vm = self._run(
                self._api.vms.ShutdownVm, vm_service_pb2.ShutdownVmRequest(id=VM, timeout_seconds=int(PATIENCE))
            )
            step.expect("its state", vm["status"]["power_state"], "halted")
            left = [domain.domid for domain in self._api.domains() if domain.vm_id == vm["id"]]
            step.expect("domains of it", left, [])
            step.note(f"last stop: {vm['status']['last_stop']}")
        if self._console is not None:
            self._console.stop()

    def _delete(self) -> None:
        with self._stage.step("delete it") as step:
            self._call(self._api.vms.DeleteVm, vm_service_pb2.DeleteVmRequest(id=VM))
            step.expect("VMs", [vm.name for vm in self._api.list_vms()], [])
            step.expect("its disk stays", self._files.disk.exists(), True)

    def _stop_agent(self) -> None:
        with self._stage.step("stop xenhostd") as step:
            resident = self._daemon.resident_mib()
            self._api.close()
            step.expect("its exit status", self._daemon.stop(), 0)
            step.note(f"it held {resident:.0f} MiB")
        self._done = True

    # The guest

    def _attach_console(self) -> None:
        self._console = GuestConsole(self._daemon.target, self._stage, VM)
        self._console.start()

    def _see_guest_up(self) -> None:
        sign = "type help" if self._files.simulated else "GUESTUP"
        if self._console is not None and not self._console.wait_for(sign, PATIENCE):
            raise Unexpected(f"the guest's console never said {sign!r}")

    def _see_guest_answer(self) -> None:
        with self._stage.step("the guest answers at its console") as step:
            if self._console is None:
                return
            self._console.type(b"echo still $((40+2)) here\r" if not self._files.simulated else b"uptime\r")
            sign = "still 42 here" if not self._files.simulated else "up "
            if not self._console.wait_for(sign, PATIENCE):
                raise Unexpected("the guest does not answer at its console")
            step.note("it runs on")

    # Calls

    @property
    def _devices(self) -> list[str]:
        """Those it begins with."""
        return ["xvda", *(disk.device for disk in self._storage.disks()), "nic0"]

    @property
    def _api(self) -> Client:
        if self._client is None:
            raise Unexpected("xenhostd is not running")
        return self._client

    def _call(self, method: Callable[..., Any], request: Any) -> Any:
        return self._api.call(method, request)

    def _run(self, method: Callable[..., Any], request: Any) -> dict[str, Any]:
        """See an operation through; the VM after it."""
        self._finished(method, request)
        return shape(self._api.vm(VM))

    def _finished(self, method: Callable[..., Any], request: Any) -> Any:
        """See an operation through. Raises Failure if it fails."""
        operation = self._call(method, request)
        deadline = time.monotonic() + 2 * PATIENCE
        while not operation.done:
            if time.monotonic() > deadline:
                raise Unexpected(f"{operation_shape(operation)['kind']} has not ended after {2 * PATIENCE:g} s")
            operation = self._api.wait(operation.name, 10)
        error = operation_shape(operation)["error"]
        if error is not None:
            raise failed(error["reason"], f"{error['reason']}: {error['message']}")
        return operation

    def _wait_devices(self, wanted: dict[str, str]) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            found = shown_devices(self._api.vm(VM))
            if wanted.items() <= found.items():
                return
            if time.monotonic() > deadline:
                raise Unexpected(f"devices are {found}, expected {wanted}")
            time.sleep(0.02)
