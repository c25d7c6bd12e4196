"""The clients of a simulated venue's WebSocket, and the faults that act on all of them at once."""

import asyncio

from core.venues.simulated.connection import Connection, text_frame


class ConnectionSet:
    """Who is connected."""

    def __init__(self) -> None:
        self.connections: set[Connection] = set()

    def inject(self, frame: bytes, is_text: bool = True) -> None:
        """Send an arbitrary frame to every client."""
        for connection in self.connections:
            connection.send(text_frame(frame) if is_text else b"\x82" + text_frame(frame)[1:])

    def set_delay(self, delay_s: float) -> None:
        for connection in self.connections:
            connection.delay_s = delay_s

    def freeze_all(self) -> None:
        for connection in self.connections:
            connection.freeze()

    def abort_all(self, cause: str, only_frozen: bool = False) -> None:
        for connection in list(self.connections):
            if connection.frozen or not only_frozen:
                connection.abort(cause)

    async def close_all(self, code: int, cause: str) -> None:
        await asyncio.gather(*(c.close(code, cause) for c in list(self.connections)), return_exceptions=True)
