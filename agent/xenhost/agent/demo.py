"""`python -m xenhost.agent.demo`: the main job, done by a real xenhostd in a throw-away directory, and checked."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from xenhost.agent.cli.demo.daemon import Daemon, DaemonFailed
from xenhost.agent.cli.demo.guest import GuestFiles
from xenhost.agent.cli.demo.stage import Stage, Unexpected
from xenhost.agent.cli.demo.story import Story
from xenhost.agent.cli.failure import Failure


def parser() -> argparse.ArgumentParser:
    """The options; each has an environment variable, for demos inside the test bed."""
    env = os.environ.get
    options = argparse.ArgumentParser(prog="python -m xenhost.agent.demo", description=__doc__)
    options.add_argument("--hypervisor", choices=("sim", "xen"), default="sim")
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
        story = Story(stage, daemon, files)
        try:
            files.prepare()
            story.tell()
        except (Unexpected, Failure, DaemonFailed, OSError) as error:
            stage.failed(str(error), daemon.log_tail())
        except KeyboardInterrupt:
            stage.failed("interrupted", [])
        finally:
            story.clean_up()
    return stage.summary()


if __name__ == "__main__":
    sys.exit(main())
