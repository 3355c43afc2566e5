"""Virtual functions of network cards. All functions block, and raise SriovFailed.

Sources: linux/Documentation/PCI/pci-iov-howto.rst, Documentation/ABI/testing/sysfs-bus-pci, ip-link(8) `vf`.
"""

import errno
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Never

from xenhost.core.network import MAX_VLAN, SriovEnabled, SriovMode, VfSettings, VirtualFunction
from xenhost.core.network_errors import SriovFailed
from xenhost.drivers.network.nics import cards, links, modprobe_file
from xenhost.drivers.network.nics.cards import Card
from xenhost.drivers.network.nics.links import Link
from xenhost.drivers.network.nics.modprobe_file import VfParameter
from xenhost.drivers.network.nics.places import Places
from xenhost.system.whole_file import replace_file

_HELD: Final = frozenset({"pciback", "vfio-pci"})
"""Drivers of functions that were given to a VM."""
_MAC: Final = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", re.ASCII)
_VIRTFN: Final = re.compile(r"virtfn([0-9]{1,5})", re.ASCII)
_MODINFO_SECONDS: Final = 10.0
_BOOT_IMAGE_SECONDS: Final = 90.0
_UNSUPPORTED: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})


class Sriov:
    """Makes, removes and sets virtual functions. Two calls for one card never at once."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def enable(self, device: str) -> SriovEnabled:
        """Give the card as many as it can have."""
        card = self._card(device)
        total = modprobe_file.vf_total(self._places.modprobe, card.driver, card.vf_total)
        if total == 0:
            _fail(device, f"{device} can have no virtual functions")
        if (parameter := self._parameter(card)) is not None:
            self._set_parameter(card, parameter, total)
            return SriovEnabled(SriovMode.MODPROBE, requires_reboot=card.vf_enabled != total)
        if card.vf_enabled not in (0, total):
            return SriovEnabled(SriovMode.MANUAL)  # the kernel lets nobody change their number but to 0
        if card.vf_enabled != total:
            self._write(device, self._folder(device) / "sriov_numvfs", str(total))
        return SriovEnabled(SriovMode.SYSFS)

    def disable(self, device: str, mode: str) -> None:
        """Take them away, or with mode modprobe see to it that the next start of the host does."""
        if mode == SriovMode.MANUAL:
            return
        card = self._card(device)
        parameter = self._parameter(card)
        if mode == SriovMode.MODPROBE or (mode != SriovMode.SYSFS and parameter is not None):
            if parameter is not None:
                self._set_parameter(card, parameter, 0)
            return
        if card.vf_enabled == 0:
            return
        folder = self._folder(device)
        functions = self.virtual_functions(device)
        for function in functions:
            if function.held:
                _fail(device, f"virtual function {function.number} of {device}, {function.pci}, is in use by a VM")
        for function in functions:
            self._unbind(device, folder / f"virtfn{function.number}" / "driver" / "unbind", function)
        self._write(device, folder / "sriov_numvfs", "0")

    def virtual_functions(self, device: str) -> Sequence[VirtualFunction]:
        """Those that it has, by number."""
        folder = self._folder(device)
        try:
            ends = [(path, match[1]) for path in folder.iterdir() if (match := _VIRTFN.fullmatch(path.name))]
            found = [
                VirtualFunction(path.readlink().name, int(number), self._driver(path) in _HELD) for path, number in ends
            ]
        except OSError as error:
            _fail(device, f"the virtual functions of {device} cannot be listed: {error.strerror}")
        return sorted(found, key=lambda function: function.number)

    def configure_vf(self, device: str, number: int, settings: VfSettings) -> None:
        """Address, VLAN and rate, the rate last."""
        if settings.mac and not _MAC.fullmatch(settings.mac):
            _fail(device, f"{settings.mac!r} is no MAC address")
        if not 0 <= settings.vlan <= MAX_VLAN or not 0 <= settings.rate_mbits < 1 << 31 or not 0 <= number < 1 << 16:
            _fail(device, f"virtual function {number} with VLAN {settings.vlan}, {settings.rate_mbits} Mbit/s: no such")
        try:
            link = links.find(device)
        except OSError as error:
            _fail(device, f"{device} cannot be looked at: {error.strerror}")
        if link is None:
            _fail(device, f"there is no network card {device}")
        if mac := settings.mac:
            _set(link, number, f"the address {mac}", lambda: links.set_vf_mac(link, number, mac))
        vlan, rate = settings.vlan, settings.rate_mbits
        _set(link, number, f"VLAN {vlan}", lambda: links.set_vf_vlan(link, number, vlan), optional=vlan == 0)
        _set(link, number, f"{rate} Mbit/s", lambda: links.set_vf_rate(link, number, rate), optional=rate == 0)

    def _card(self, device: str) -> Card:
        if (found := cards.card(self._places.sysfs, device)) is None:
            _fail(device, f"there is no network card {device}")
        return found

    def _folder(self, device: str) -> Path:
        if (found := cards.pci_folder(self._places.sysfs, device)) is None:
            _fail(device, f"{device} is no PCI card")
        return found

    def _driver(self, function: Path) -> str:
        driver = function / "driver"
        return driver.readlink().name if driver.is_symlink() else ""

    def _parameter(self, card: Card) -> VfParameter | None:
        try:
            return modprobe_file.parse(modprobe_file.load(self._places.modprobe, card.driver))
        except OSError as error:
            _fail(card.device, f"{card.driver}.conf cannot be read: {error.strerror}")

    def _set_parameter(self, card: Card, parameter: VfParameter, count: int) -> None:
        """Write it, and make the image that the host boots with anew, as the driver may be in there."""
        file = modprobe_file.file_of(self._places.modprobe, card.driver)
        if file is None:
            _fail(card.device, f"{card.driver!r} is no driver")
        several = self._takes_several(card.driver, parameter.name)
        counts = [count] * (len(cards.devices_of(self._places.sysfs, card.driver)) if several else 1)
        try:
            before = modprobe_file.load(self._places.modprobe, card.driver)
            after = modprobe_file.render(before, card.driver, parameter.name, counts)
            if after != before:
                replace_file(file, after.encode())
        except OSError as error:
            _fail(card.device, f"{file} cannot be written: {error.strerror}")
        if after != before or card.vf_enabled != count:  # an earlier try may not have come this far
            self._make_boot_image(card.device)

    def _takes_several(self, driver: str, parameter: str) -> bool:
        """A number for each card, or one for all?"""
        try:
            shown = _run([*self._places.modinfo, driver], _MODINFO_SECONDS)
        except (OSError, subprocess.SubprocessError):
            return False
        return any(line.startswith(f"{parameter}:") and "array of" in line for line in shown.splitlines())

    def _make_boot_image(self, device: str) -> None:
        try:
            _run(self._places.boot_image, _BOOT_IMAGE_SECONDS)
        except FileNotFoundError:
            return  # a host without such an image
        except (OSError, subprocess.SubprocessError) as error:
            _fail(device, f"the image that the host boots with could not be made anew: {error}")

    @staticmethod
    def _unbind(device: str, file: Path, function: VirtualFunction) -> None:
        try:
            file.write_text(function.pci)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):  # those: it has no driver, or just lost it
                _fail(device, f"the driver of {function.pci}, of {device}, does not let go: {error.strerror}")

    @staticmethod
    def _write(device: str, file: Path, text: str) -> None:
        try:
            file.write_text(text)
        except OSError as error:
            _fail(device, f"{device} refuses {text} in {file}: {error.strerror}")


def _set(link: Link, number: int, what: str, change: Callable[[], None], optional: bool = False) -> None:
    try:
        change()
    except OSError as error:
        if not (optional and error.errno in _UNSUPPORTED):  # what a card does not know is not set on it
            _fail(link.name, f"virtual function {number} of {link.name} cannot have {what}: {error.strerror}")


def _run(command: Sequence[str], seconds: float) -> str:
    """Output of a command. Raises OSError, SubprocessError."""
    done = subprocess.run(
        command,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=seconds,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},
    )
    return done.stdout[: 1 << 20]


def _fail(device: str, message: str) -> Never:
    raise SriovFailed(message, device=device, message=message)
