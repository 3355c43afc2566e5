"""`python -m xenhost.agent.demo`: the main job, done by the real daemons in a throw-away directory, and checked.

A client of the Management API does it, through the pool master; with --agent it is the agent's own API.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from xenhost.agent.cli.demo.daemon import Daemon
from xenhost.agent.cli.demo.guest import GuestFiles
from xenhost.agent.cli.demo.pool_story import PoolStory
from xenhost.agent.cli.demo.process import DaemonFailed
from xenhost.agent.cli.demo.stage import Stage, Unexpected
from xenhost.agent.cli.demo.story import Story
from xenhost.agent.cli.failure import Failure


def parser() -> argparse.ArgumentParser:
    """The options; each has an environment variable, for demos inside the test bed."""
    env = os.environ.get
    options = argparse.ArgumentParser(prog="python -m xenhost.agent.demo", description=__doc__)
    options.add_argument("--hypervisor", choices=("sim", "xen"), default="sim")
    options.add_argument("--agent", action="store_true", help="without a pool master: the agent's own gRPC API")
    options.add_argument("--type", choices=("pv", "pvh", "hvm"), default=env("XENHOST_DEMO_TYPE", "pv"))
    options.add_argument("--kernel", default=env("XENHOST_DEMO_KERNEL", "/opt/xenhost/guests/vmlinux"))
    options.add_argument("--ramdisk", default=env("XENHOST_DEMO_RAMDISK", "/opt/xenhost/guests/initrd.gz"))
    options.add_argument(
        "--cmdline", default=env("XENHOST_DEMO_CMDLINE", "console=hvc0 loglevel=6 ip4=10.0.0.7 wait=eth0,xvda")
    )
    options.add_argument("--bridge", default=env("XENHOST_DEMO_BRIDGE", "xenbr0"))
    return options


def main() -> int:
    """Run the demo; 0 if everything was as expected."""
    options = parser().parse_args()
    stage = Stage()
    stage.title(f"xenhost demo on {'real Xen' if options.hypervisor == 'xen' else 'the simulated hypervisor'}")
    with tempfile.TemporaryDirectory(prefix="xenhost-demo-") as root:
        files = GuestFiles(
            Path(root),
            options.type,
            Path(options.kernel),
            Path(options.ramdisk),
            options.cmdline,
            options.bridge,
            simulated=options.hypervisor == "sim",
        )
        daemon = Daemon(Path(root), options.hypervisor)
        try:
            story = Story(stage, daemon, files) if options.agent else PoolStory(stage, daemon, files)
        except Failure as error:  # a module is missing
            stage.failed(str(error), [])
            return 1
        expected: tuple[type[Exception], ...] = (Unexpected, Failure, DaemonFailed, OSError, *story.failures)
        try:
            files.prepare()
            story.tell()
        except expected as error:
            stage.failed(str(error), story.log_tail())
        except KeyboardInterrupt:
            stage.failed("interrupted", [])
        finally:
            story.clean_up()
    return stage.summary()


if __name__ == "__main__":
    sys.exit(main())
