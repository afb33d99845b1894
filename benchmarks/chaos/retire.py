"""Have a scheduler retire a worker: python -m benchmarks.chaos.retire ADDRESS NAME."""

import sys

from distributed import Client

if __name__ == "__main__":
    address, name = sys.argv[1:]
    with Client(address) as client:
        client.retire_workers(names=[name])
