"""The process that talks to PAM: one request a line on its input, one answer a line on its output, JSON both.

A PAM module may block for ever, keep state, or crash; the daemon ends this process then, and starts another.
"""

import json
import os
from typing import Any

import pamela


def answer(request: dict[str, Any]) -> dict[str, str]:
    """Do what is asked: `error` is "" if it is done, "wrong" if a password is, else what PAM says."""
    user, service = request["user"], request["service"]
    try:
        pamela.authenticate(user, request["password"], service=service)
        pamela.check_account(user, service=service)
    except pamela.PAMError as error:
        return {"error": "wrong", "text": str(error)[:200]}
    if request["new"] is None:
        return {"error": ""}
    try:
        pamela.change_password(user, request["new"], service=service)
    except pamela.PAMError as error:
        return {"error": str(error)[:200] or "refused"}
    return {"error": ""}


def main() -> None:
    """Answer until the input ends."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)  # a module that asks, or prints, does not meet what is for us
    os.dup2(nowhere, 1)
    for line in requests:
        answers.write(json.dumps(answer(json.loads(line))).encode() + b"\n")


if __name__ == "__main__":
    main()
