#!/usr/bin/python3
"""Run a command on the other machine of a pair: ``python /opt/xenhost/project/bed/peer.py COMMAND [ARGUMENT ...]``.

Speaks to the peer's agent (agent.py has the protocol); output and exit status are those of the command.
"""

import base64
import json
import os
import socket
import sys
import time

PORT = 7


def _connect(address: str) -> socket.socket:
    """The peer's agent may still be starting."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection((address, PORT), timeout=30)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def main() -> int:
    """Exit status of the command."""
    address = os.environ.get("XENHOST_BED_PEER", "10.0.0.2")
    with _connect(address) as connection:
        connection.settimeout(600)
        request = {"op": "run", "id": 1, "argv": sys.argv[1:], "timeout": 600}
        connection.sendall(json.dumps(request).encode() + b"\n")
        for line in connection.makefile("rb"):
            message = json.loads(line)
            if "exit" in message:
                return int(message["exit"])
            sys.stdout.buffer.write(base64.b64decode(message["out"]))
            sys.stdout.buffer.flush()
    sys.stderr.write("the peer went away\n")
    return 125


if __name__ == "__main__":
    sys.exit(main())
