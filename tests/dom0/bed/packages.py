"""Debian packages of the test bed's dom0, with the reason each group is there."""

from pathlib import Path
from typing import Final

SUITE: Final = "bookworm"
APT_SOURCES: Final = Path("/etc/apt/sources.list.d/debian.sources")

XEN: Final = ("xen-utils-4.17", "xenstore-utils", "qemu-system-xen", "libxen-dev")
SYSTEM: Final = (
    "python3",
    "python3-venv",
    "iproute2",
    "kmod",
    "udev",
    "iputils-ping",
    "procps",
    "psmisc",
    "bridge-utils",
    "ethtool",
    "e2fsprogs",
    "lvm2",
    "dbus",
    "pciutils",
    "usbutils",
    "kpartx",
    "strace",
    "socat",
    "netcat-openbsd",
    "less",
)
COMPILER: Final = ("gcc", "libc6-dev", "python3-dev", "python3-cffi")
STORAGE: Final = (
    "open-iscsi",
    "multipath-tools",
    "tgt",
    "targetcli-fb",
    "nfs-kernel-server",
    "nfs-common",
    "nbd-client",
    "nbd-server",
    "qemu-utils",
    "qemu-system-common",  # qemu-storage-daemon
    "thin-provisioning-tools",
    "libnbd-bin",  # nbdinfo, nbdcopy: a backup tool's view of an export
    "openssl",
    "cifs-utils",
    "samba",
    "sg3-utils",
    "lsscsi",
    "python3-bitarray",  # with uuid-runtime: what upstream's SM drivers import and run
    "uuid-runtime",
)
NETWORK: Final = (
    "openvswitch-switch",
    "libnftables1",
    "nftables",  # nft: what an operator would look with
    "dhcpcd-base",
    "dnsmasq-base",  # DHCP and router advertisements for the tests
    "tcpdump",
    "iperf3",
)
DEVICES: Final = ("swtpm", "swtpm-tools", "usbip")
PEERS: Final = ("libvirt-daemon", "libvirt-daemon-driver-xen", "libvirt-clients", "rrdtool")  # for the benchmarks
CEPH_CLIENTS: Final = ("ceph-common",)
CEPH: Final = (*CEPH_CLIENTS, "ceph-mon", "ceph-mgr", "ceph-osd", "ceph-mds")
"""Of a cluster that runs beside the machine; a tree of its own, made when a run asks for it."""
ZFS_TOOLS: Final = ("zfsutils-linux",)
ZFS_SOURCE: Final = "zfs-dkms"
"""Of Debian's contrib: its module comes as source, because its licence and the kernel's do not go together."""

DOM0: Final = (*XEN, *SYSTEM, *COMPILER, *STORAGE, *NETWORK, *DEVICES, *PEERS)
HYPERVISOR: Final = "xen-hypervisor-4.17-amd64"
KERNEL_META: Final = "linux-image-amd64"
BUSYBOX: Final = "busybox-static"
