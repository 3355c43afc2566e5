"""The command line of QEMU is an interface to the guest: these are golden."""

from collections.abc import Mapping
from dataclasses import replace

from xenhost.core.devices import Source, SourceKind, Vbd, VbdMode, VbdType, Vif
from xenhost.core.ids import DevId, DomId, VmId, parse_device
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, FirmwareBoot, Memory, VmSpec, VmType
from xenhost.drivers.xen.emulator.command_line import EmulatorPlaces, emulator_command, ide_position, tap_name

PLACES = EmulatorPlaces(9, None, "/run/x/vnc", "/run/x/pid")
DISK = Vbd(parse_device("xvda")[0], Source(SourceKind.BLOCK, "/dev/vg/disk,one"))
DRIVE = Vbd(parse_device("xvdd")[0], Source(SourceKind.EMPTY), VbdMode.RO, VbdType.CD)
VM = VmSpec(
    id=VmId("5b0e1c9e-0000-4000-8000-000000000001"),
    name="a,b",
    type=VmType.HVM,
    boot=FirmwareBoot("dc"),
    memory=Memory(256 * MIB, 256 * MIB, 256 * MIB),
    vbds=(DISK, DRIVE),
    vifs=(Vif(DevId(0), "00:16:3e:00:00:01", "xenbr0"),),
)


def words(vm: VmSpec, functions: Mapping[DevId, str] | None = None) -> str:
    media = {DISK.devid: next(vbd.source for vbd in (*vm.vbds, DISK) if vbd.devid == DISK.devid)}
    return " ".join(emulator_command("qemu", DomId(7), vm, PLACES, media, functions or {}))


def test_the_machine_of_a_vm_with_firmware() -> None:
    assert words(VM) == (
        "qemu -xen-domid 7 -no-shutdown -nodefaults -no-user-config -S -name guest=a,,b -pidfile /run/x/pid"
        " -chardev socket,id=qmp,fd=9,server=on,wait=off -mon chardev=qmp,mode=control"
        " -machine xenfv,suppress-vmdesc=on -m 252 -smp 1,maxcpus=1"
        " -vnc unix:/run/x/vnc -display none -serial pty -device cirrus-vga,vgamem_mb=4 -boot order=dc"
        " -drive file=/dev/vg/disk,,one,if=ide,index=0,media=disk,format=raw,cache=writeback"
        " -drive if=none,readonly=on,id=drive-ide-51760"
        " -device ide-cd,id=ide-51760,drive=drive-ide-51760,bus=ide.1,unit=1"
        " -device rtl8139,id=nic0,netdev=net0,mac=00:16:3e:00:00:01"
        " -netdev type=tap,id=net0,ifname=vif7.0-emu,script=no,downscript=no"
    )


def test_a_name_is_no_option_of_qemu() -> None:
    assert " -name guest=web=1,,debug-threads=on " in words(replace(VM, name="web=1,debug-threads=on"))


def test_a_direct_kernel_is_given_to_qemu() -> None:
    vm = replace(VM, boot=DirectBoot("/k", "/r", "console=ttyS0"), vbds=(), vifs=(), platform={"vga": "none"})
    assert words(vm).endswith("-serial pty -kernel /k -initrd /r -append console=ttyS0 -net none")


def test_a_read_only_disk_is_left_to_pv_drivers() -> None:
    assert "-drive" not in words(replace(VM, vbds=(replace(DISK, mode=VbdMode.RO),)))


def test_emulators_do_not_lock_a_disk_that_several_guests_may_write_to() -> None:
    shared = replace(DISK, source=replace(DISK.source, shared=True))
    assert ",format=raw,cache=writeback,file.locking=off " in words(replace(VM, vbds=(shared, DRIVE)))


def test_only_the_first_four_disks_are_emulated() -> None:
    names = ["xvda", "xvdd", "xvde", "hda", "hdd", "200"]
    assert [ide_position(parse_device(name)[0]) for name in names] == [0, 3, None, 0, 3, None]


def test_the_tap_of_the_longest_name_fits_a_network_device_name() -> None:
    assert len(tap_name(DomId(32751), DevId(15))) <= 15


def test_an_emulator_goes_on_from_a_state() -> None:
    places = replace(PLACES, state_fd=11)
    assert emulator_command("qemu", DomId(7), replace(VM, vbds=()), places, {}, {})[-2:] == ["-incoming", "fd:11"]


def test_a_vif_that_is_a_virtual_function_has_no_emulated_card() -> None:
    vm = replace(VM, vifs=(*VM.vifs, Vif(DevId(3), "00:16:3e:00:00:03", "fast")))
    said = words(vm, {DevId(3): "0000:03:10.2"})
    assert said == words(VM) + " -device xen-pci-passthrough,id=nic3,hostaddr=0000:03:10.2"
