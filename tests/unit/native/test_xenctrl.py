"""The Xen bindings on a machine without Xen: how they say so, and that shim and cdef agree."""

import pickle
import re
import sys
from pathlib import Path

import pytest

from xenhost.native import domain_helper
from xenhost.native.errors import NativeUnavailable
from xenhost.native.evtchn import EventChannelError, EventChannels
from xenhost.native.xenctrl import Xenctrl, XenctrlError

NATIVE = Path(__file__).parents[3] / "native"
no_xen_here = pytest.mark.skipif(Path("/proc/xen/privcmd").exists(), reason="there is a hypervisor here")


@pytest.mark.parametrize(("stem", "kind"), [("xenctrl", Xenctrl), ("evtchn", EventChannels)])
def test_a_module_that_was_not_built_is_named_when_used(
    monkeypatch: pytest.MonkeyPatch, stem: str, kind: type[Xenctrl | EventChannels]
) -> None:
    monkeypatch.setitem(sys.modules, f"xenhost.native._{stem}", None)
    with pytest.raises(NativeUnavailable, match=f"xenhost.native._{stem} .*libxen-dev") as caught:
        kind()
    assert caught.value.part == f"xenhost.native._{stem}"


def test_a_helper_program_that_was_not_built_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(domain_helper, "_PROGRAM", tmp_path / "none")
    with pytest.raises(NativeUnavailable, match="xh-domain-helper"):
        domain_helper.helper_path()


@no_xen_here
def test_without_a_hypervisor_opening_fails_with_the_call_and_errno() -> None:
    pytest.importorskip("xenhost.native._xenctrl")
    with pytest.raises(XenctrlError, match=r"privcmd:open: ") as caught:
        Xenctrl()
    assert caught.value.errno
    with pytest.raises(EventChannelError, match=r"evtchn:open: "):
        EventChannels()


@no_xen_here
def test_the_libraries_print_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("xenhost.native._xenctrl")
    with pytest.raises(XenctrlError):
        Xenctrl()
    assert capfd.readouterr() == ("", "")


def test_errors_survive_a_trip_between_processes() -> None:
    error = XenctrlError(3, "domctl:pausedomain")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.errno, again.call) == (XenctrlError, 3, "domctl:pausedomain")
    missing = pickle.loads(pickle.dumps(NativeUnavailable("x")))
    assert missing.part == "x"


@pytest.mark.parametrize("stem", ["xenctrl", "evtchn"])
def test_cdef_and_header_declare_the_same(stem: str) -> None:
    header = (NATIVE / "src" / f"xh_{stem}.h").read_text()
    cdef = (NATIVE / "cdef" / f"{stem}.cdef").read_text()

    def declared(text: str) -> list[str]:
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        text = re.sub(r"^#(ifndef|include|endif|define XH_\w+_H).*$", "", text, flags=re.MULTILINE)
        text = re.sub(r"^#define (XH_(?!\w*_H$)\w+) .*$", r"#define \1;", text, flags=re.MULTILINE)
        return [" ".join(part.split()) for part in text.split(";") if part.strip()]

    assert declared(cdef) == declared(header)
