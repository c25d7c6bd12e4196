"""What a supervisor and its worker processes say to each other, a line of JSON each."""

import msgspec


class Order(msgspec.Struct, frozen=True):
    """The workers that a process has to run, and whether they pause. Reports tell by `serial` which order they know."""

    slots: list[int]
    is_paused: bool = False
    serial: int = 0


class Report(msgspec.Struct, frozen=True):
    """Each half second. `stuck_s`: how long the process's slowest loop has not come round; `busy`: workers that have read
    something, or still may; `cause`: why it cannot go on just now, or ""."""

    processed: int
    errors: int
    workers: int
    busy: int
    serial: int
    stuck_s: float
    cause: str
