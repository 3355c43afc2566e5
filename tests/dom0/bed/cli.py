"""The command line: ``python -m bed COMMAND``; README.md explains it."""

import argparse
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from bed import ceph, snapshot, terminal, zfs
from bed.bed import CONSOLE_LOG, Bed, project_root
from bed.cache import Cache, default_root
from bed.dom0 import PYTHON, Dom0
from bed.image import Image
from bed.machine import Wires
from bed.report import BedError, Progress
from bed.spec import Spec, Xenstored, parse_disks, parse_size
from bed.testrun import Limits, TestRun, new_directory

USAGE_ERROR = 2
BED_FAILED = 3
SHELL = ["/bin/bash", "--rcfile", "/opt/xenhost/project/bed/bashrc", "-i"]
PROGRAMS = {  # commands that are a program of the project, run in dom0
    "demo": [PYTHON, "-u", "-m", "xenhost.agent.demo", "--hypervisor", "xen"],
    "bench": [PYTHON, "-u", "-m", "bench"],
}
SHELL_SECONDS = 12 * 3600.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    words = list(sys.argv[1:] if argv is None else argv)
    words, rest = _split(words)
    options, unknown = _parser().parse_known_args(words)
    if unknown and options.command not in ("test", *PROGRAMS):
        sys.stderr.write(f"bed {options.command}: unknown option {unknown[0]}\n")
        return USAGE_ERROR
    progress = Progress(options.quiet)
    bed = Bed(Cache(default_root()), project_root(), progress)
    try:
        return _run(bed, options, [*unknown, *rest])
    except BedError as error:
        sys.stderr.write(f"bed: {error}\n")
        return BED_FAILED
    except KeyboardInterrupt:
        sys.stderr.write("bed: interrupted\n")
        return 130


def _end(number: int, _frame: FrameType | None) -> None:
    sys.stderr.write(f"bed: ended by {signal.Signals(number).name}\n")
    raise SystemExit(128 + number)  # through every `finally`: machines are killed, files removed


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    if "--" in words:
        at = words.index("--")
        return words[:at], words[at + 1 :]
    return words, []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bed", description="A real Xen dom0 under emulation.")
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-q", "--quiet", action="store_true", help="no progress lines")
    machine = argparse.ArgumentParser(add_help=False, parents=[common])
    machine.add_argument("--disks", default="", help="more disks: COUNT[:SIZE][,...], such as 2:8G")
    machine.add_argument("--nics", type=int, default=0, help="network cards (a bare machine 3)")
    machine.add_argument("--memory", default="3G", help="memory of the machine (3G)")
    machine.add_argument("--dom0-memory", default="1G", help="memory of dom0 (1G)")
    machine.add_argument("--cpus", type=int, default=0, help="processors (2; a bare machine 1, the fastest)")
    machine.add_argument("--peer", action="store_true", help="a second machine on private cables")
    kinds = [str(kind) for kind in Xenstored]
    machine.add_argument("--xenstored", choices=kinds, default=kinds[0], help="xenstore daemon")
    machine.add_argument("--bare", action="store_true", help="the same Debian without Xen: three times as fast")
    machine.add_argument("--ceph", action="store_true", help="a Ceph cluster beside a bare machine (test: its tests)")
    machine.add_argument("--zfs", action="store_true", help="a bare machine with the ZFS module (test: its tests)")
    machine.add_argument("--limit", type=float, default=2400.0, help="seconds for everything")
    commands.add_parser("build", parents=[machine], help="make image and saved state; run nothing")
    run = commands.add_parser("run", parents=[machine], help="run a command: bed run -- CMD")
    run.add_argument("--share", type=Path, help="host directory to find at /mnt/host")
    run.add_argument("--logs", action="store_true", help="bring dom0's logs to build/xen as well")
    run.add_argument("--peer-run", default="", help="shell command for the peer, run first")
    test = commands.add_parser("test", parents=[machine], help="run tests; rest goes to pytest")
    test.add_argument("--test-limit", type=float, default=420.0, help="seconds for one test (420)")
    test.add_argument("--junitxml", type=Path, help="a copy of the results, as JUnit XML")
    test.add_argument("--retries", type=int, default=4, help="retries after an emulator flake (4)")
    test.add_argument("--long", action="store_true", help="also the tests marked xen_long (bare: bare_long): hours")
    for name, text in (("demo", "the project's demo on real Xen"), ("bench", "the benchmarks")):
        commands.add_parser(name, parents=[machine], help=f"{text}; rest goes to it")
    commands.add_parser("shell", parents=[machine], help="a shell in dom0")
    commands.add_parser("clean", parents=[common], help="forget everything that is cached")
    return parser


def _run(bed: Bed, options: argparse.Namespace, rest: list[str]) -> int:
    if options.command == "clean":
        bed.cache.clean()
        return 0
    spec = _spec(options)
    image = bed.image()
    snapshot.snapshot(bed.cache, image, spec, bed.progress)
    if options.command == "build":
        bed.progress.say(f"ready: {bed.cache.root}")
        return 0
    with _beside(bed, image, options) as bed_of_all:
        return _use(bed_of_all, image, spec, options, rest)


def _use(bed: Bed, image: Image, spec: Spec, options: argparse.Namespace, rest: list[str]) -> int:
    if options.command == "test":
        files = new_directory(bed.project / "build", bed.progress)
        limits = Limits(options.limit, options.test_limit, options.retries)
        paths = [path for path, chosen in ((ceph.TESTS, options.ceph), (zfs.TESTS, options.zfs)) if chosen]
        env = {"XENHOST_BED_CEPH": ceph.ADDRESS} if options.ceph else {}
        env |= {"XENHOST_BED_ZFS": "1"} if options.zfs else {}
        code = TestRun(bed, image, spec, files, rest, limits, options.peer, _out, options.long, paths, env).run()
        if options.junitxml is not None:
            options.junitxml.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(files / "junit.xml", options.junitxml)
        return code
    if options.command in PROGRAMS:
        rest = [*PROGRAMS[options.command], *rest]
    if options.command == "run" and not rest:
        raise BedError("no command given: bed run -- CMD [ARGUMENT ...]")
    with _machines(bed, image, spec, options) as (dom0, peer):
        bed.progress.say("dom0 is up")
        if options.command == "shell":
            stdin = sys.stdin.fileno()
            with terminal.raw(stdin):
                return dom0.channel.interact(SHELL, stdin, terminal.size, SHELL_SECONDS)
        return _command(dom0, peer, options, rest)


@contextlib.contextmanager
def _beside(bed: Bed, image: Image, options: argparse.Namespace) -> Iterator[Bed]:
    """The bed with what runs beside its machines, or goes into them besides the project."""
    if options.peer and (options.ceph or options.zfs):
        raise BedError("--peer goes together neither with --ceph nor with --zfs")
    if options.zfs:
        bed = replace(bed, archives=(*bed.archives, zfs.archive(bed.cache, image.kernel, bed.progress)))
    if not options.ceph:
        yield bed
        return
    made = ceph.tree(bed.cache, bed.progress)
    ceph.alone()
    with bed.work() as work, ceph.cluster(made, work, bed.project / "build" / "ceph") as cluster:
        bed.progress.say("the Ceph cluster is up")
        etc = work / "etc.tar"
        cluster.pack(etc)
        yield replace(bed, wires=Wires(user=True), archives=(*bed.archives, made / "clients.tar", etc))


def _command(dom0: Dom0, peer: Dom0 | None, options: argparse.Namespace, rest: list[str]) -> int:
    if getattr(options, "peer_run", ""):
        if peer is None:
            raise BedError("--peer-run needs --peer")
        peer.run(["bash", "-c", options.peer_run], timeout=options.limit, output=_out)
    argv = ["bash", "-c", rest[0]] if len(rest) == 1 else rest
    code = dom0.run(argv, timeout=options.limit, output=_out)
    if _wants_logs(options):
        dom0.gather_logs()
    return code


@contextlib.contextmanager
def _machines(bed: Bed, image: Image, spec: Spec, options: argparse.Namespace) -> Iterator[tuple[Dom0, Dom0 | None]]:
    with contextlib.ExitStack() as stack:
        share = getattr(options, "share", None)
        if share is not None:
            files = Path(os.path.abspath(share))
        elif _wants_logs(options):
            files = new_directory(bed.project / "build", bed.progress)
        else:
            files = stack.enter_context(bed.work()) / "files"
        archive = bed.archive(stack.enter_context(bed.work()) / "project.tar")
        if share is not None:
            stack.callback((files / CONSOLE_LOG).unlink, missing_ok=True)
        if options.peer:
            yield stack.enter_context(bed.pair(image, spec, files, archive))
        else:
            yield stack.enter_context(bed.dom0(image, spec, files, archive)), None


def _wants_logs(options: argparse.Namespace) -> bool:
    return options.command in PROGRAMS or getattr(options, "logs", False)


def _spec(options: argparse.Namespace) -> Spec:
    bare = options.bare or options.ceph or options.zfs
    return Spec(
        memory=parse_size(options.memory),
        dom0_memory=parse_size(options.dom0_memory),
        cpus=options.cpus or (1 if bare else 2),
        disks=parse_disks(options.disks) if options.disks else (),
        nics=options.nics or (3 if bare else 1 if options.peer else 0),
        xenstored=Xenstored(options.xenstored),
        bare=bare,
    )


def _out(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
