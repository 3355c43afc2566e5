"""Make libvirt's Xen driver run on the emulated processor, for the benchmarks that compare with it."""

from pathlib import Path

from bed.report import BedError

CPU_MAP = "usr/share/libvirt/cpu_map"
DRIVERS = "usr/lib/x86_64-linux-gnu/libvirt/connection-driver"
UNWANTED = ("qemu", "network", "nwfilter", "interface", "storage")  # fail without systemd and users of their own
FIRST_MODEL = "<include filename='x86_486.xml'/>"
# A PV dom0 does not see the feature "vme", which even libvirt's least processor has; its driver needs a match.
MODEL = """<cpus>
  <model name='bed'>
    <decode host='on' guest='off'/>
  </model>
</cpus>
"""


def adapt(root: Path) -> None:
    """Change a scratch tree (files there are hard links: they are replaced, never written to)."""
    index = root / CPU_MAP / "index.xml"
    text = index.read_text()
    if FIRST_MODEL not in text:
        raise BedError(f"{index}: not the list of processors that this was written for")
    index.unlink()
    index.write_text(text.replace(FIRST_MODEL, f"<include filename='x86_bed.xml'/>\n    {FIRST_MODEL}", 1))
    (root / CPU_MAP / "x86_bed.xml").write_text(MODEL)
    for name in UNWANTED:
        (root / DRIVERS / f"libvirt_driver_{name}.so").unlink(missing_ok=True)
