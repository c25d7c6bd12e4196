"""Begins a COPY and never ends it: what a machine that is cut off leaves behind in Postgres. For `benchmarks.scale_out`."""

import os
import time

from core.storage.connection import connect

TABLE = "half_copied"


def main() -> None:
    with connect(os.environ["DATABASE_URL"], 5) as connection, connection.cursor().copy(f"COPY {TABLE} FROM STDIN") as copy:
        for number in range(100_000):  # more than the buffers on the way hold
            copy.write_row((number,))
        time.sleep(600)


if __name__ == "__main__":
    main()
