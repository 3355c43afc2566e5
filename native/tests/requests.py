"""Write requests for xh-domain-helper, most of them wrong, to standard output: its sanitizer run reads them.

The same bytes every time (a fixed seed), so that a failure can be looked at.
"""

import random
import sys
from typing import Final

GOOD: Final = (
    b"op build\ndomid 7\nkind pvh\nmax_memory 134217728\ntarget_memory 134217728\nxen_max_memory 136314880\n"
    b"vcpus 4\nonline_vcpus 0-1,3\nkernel /boot/a%20kernel\nramdisk /boot/initrd\ncommand_line console%3Dhvc0\n"
    b"cpu_features 178bfbff-f6f83203-00000000\nrtc_offset -3600\nviridian 0\nclaim 1\nstore_port 3\n\n"
)
OTHERS: Final = (
    b"op save\ndomid 7\nfd 5\n\n",
    b"op save\ndomid 7\nfd 0\n\n",
    b"op restore\ndomid 7\nkind pv\nmax_memory 4194304\ntarget_memory 4194304\nxen_max_memory 8388608\n"
    b"vcpus 1\nfd 5\n\n",
    b"op acpi_tables\nvcpus 128\nonline 3\n\n",
    b"op acpi_tables\nvcpus 129\n\n",
    b"op preload\nkernel /etc/passwd\nramdisk /etc/hostname\n\n",
    b"op preload\nkernel /nowhere/at%20all\n\n",
    b"op build\n" + b"x" * 70000 + b" y\n\n",
    *(b"op build\nkernel " + b"x" * (65536 - 17 - left) + b"\n" + b"k v\n" * 3 + b"\n" for left in range(9)),
    b"".join(b"key%d value\n" % number for number in range(120)) + b"\n",
    b"op build\nkernel " + b"%41" * 20000 + b"\n\n",
)


def main() -> None:
    dice = random.Random(1)
    out = sys.stdout.buffer
    out.write(GOOD + b"".join(OTHERS))
    for _ in range(3000):
        request = bytearray(dice.choice((GOOD, GOOD, OTHERS[0], OTHERS[2])))
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(request))
            match dice.randrange(4):
                case 0:
                    request[at] = dice.randrange(256)
                case 1:
                    del request[at : at + dice.randint(1, 20)]
                case 2:
                    request[at:at] = bytes(dice.choices(b"0123456789-,% \n\xff\0ax", k=dice.randint(1, 12)))
                case _:
                    request[at:at] = request[: dice.randrange(len(request))]
            request = request or bytearray(b"\n")
        out.write(request + b"\n\n")


if __name__ == "__main__":
    main()
