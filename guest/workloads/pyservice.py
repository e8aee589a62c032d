"""pyservice.py [SECONDS]: a server in Python that is ready after ten seconds, unless told otherwise.

It fills a table until then, as one that reads its data in. It answers at pyservice.sock and at TCP port 7001: a line to
whoever connects, the last tick. It ticks every 50 ms, and each tick looks at a part of the table: what is not as it was
put in is `lost`.

pyservice.py ask: prints what the server of this container answers.
"""

import os
import select
import socket
import sys
import time
import zlib

PORT = 7001
PATH = "pyservice.sock"
SLICE = 64 * 1024
SLICES = 64


def ask():
    # Not over the loopback: runc brings it back without its addresses.
    with socket.socket(socket.AF_UNIX) as there:
        there.settimeout(30)
        there.connect(PATH)
        answer = there.makefile().read()
    sys.stdout.write(answer)
    sys.exit(0 if answer.startswith("who=pyservice ") else 1)


def fill(seed):
    """The slices of a table, each of bytes that follow from the seed, and their checksums."""
    table, sums = [], []
    for number in range(SLICES):
        part = bytearray((seed + str(number)).encode() * (SLICE // len(seed)))
        table.append(part)
        sums.append(zlib.crc32(part))
    return table, sums


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    begun, start = time.monotonic(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    nonce = os.urandom(8).hex()
    table, sums = fill(nonce)
    while time.monotonic() < begun + seconds:
        table, sums = fill(nonce)
    listener = socket.create_server(("", PORT))
    near = socket.create_server(PATH, family=socket.AF_UNIX)
    n = 0
    while True:
        n += 1
        lost = [] if zlib.crc32(table[n % SLICES]) == sums[n % SLICES] else ["table"]
        if listener.getsockname()[1] != PORT:
            lost.append("listener")
        words = f"who=pyservice n={n} pid={os.getpid()} start={start} nonce={nonce} items=listener,table"
        line = (words + (f" lost={','.join(lost)}" if lost else "") + "\n").encode()
        os.write(1, line)
        due = time.monotonic() + 0.05
        while (left := due - time.monotonic()) > 0:
            for asked in select.select([listener, near], [], [], left)[0]:
                try:
                    with asked.accept()[0] as client:
                        client.sendall(line)
                except OSError:
                    # One who hung up early.
                    pass


if sys.argv[1:] == ["ask"]:
    ask()
main()
