"""Generate the committed Python of every .proto: `python proto/generate.py [--check]`.

With --check nothing is written; the exit status says whether what is committed is current. Made with the oldest
protobuf that we support, since generated code refuses to run on an older runtime than its generator's.
"""

import argparse
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).parent
PATTERNS = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py")


def generate(out: Path) -> None:
    """Run protoc over all our files. Raises SystemExit with its status if it fails."""
    with tempfile.TemporaryDirectory() as includes:
        # googleapis-common-protos ships operations.proto under a name its descriptor does not have
        google = Path(includes, "google")
        site = Path(str(resources.files("google.rpc"))).parent
        for folder in ("api", "rpc", "longrunning"):
            shutil.copytree(site / folder, google / folder, ignore=shutil.ignore_patterns("*.py*", "__pycache__"))
        wrong = google / "longrunning" / "operations_proto.proto"
        if wrong.exists() and not (google / "longrunning" / "operations.proto").exists():
            wrong.rename(google / "longrunning" / "operations.proto")
        files = [str(path.relative_to(HERE)) for path in sorted(HERE.rglob("*.proto"))]
        bundled = str(resources.files("grpc_tools") / "_proto")
        status = protoc.main(
            ["protoc", f"-I{HERE}", f"-I{includes}", f"-I{bundled}"]
            + [f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python")]
            + files
        )
    if status:
        raise SystemExit(status)


def outputs(root: Path) -> dict[str, bytes]:
    """Generated files below a folder, by relative path."""
    return {str(path.relative_to(root)): path.read_bytes() for pattern in PATTERNS for path in root.rglob(pattern)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the committed files are current")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        new, old = outputs(Path(scratch)), outputs(HERE)
        if options.check:
            stale = sorted(name for name in new.keys() | old.keys() if new.get(name) != old.get(name))
            if stale:
                sys.stderr.write("stale, run `make gen`: " + " ".join(stale) + "\n")
            return 1 if stale else 0
        for name in old.keys() - new.keys():
            (HERE / name).unlink()
        for name, content in new.items():
            if old.get(name) != content:
                (HERE / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
