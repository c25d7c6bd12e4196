"""N websocket clients of /feed in one process; prints the age of the frames they got as JSON."""

import argparse
import asyncio
import json
import re
import time

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

SENT_MS = re.compile(rb'"sent_ms":(\d+)')


class Client(WSListener):  # type: ignore[misc]
    """Subscribes, and notes how old each frame is when it comes. A stalled one stops reading."""

    def __init__(self, channels: list[str], stalled: bool, ages: list[float]) -> None:
        self.channels, self.stalled, self.ages = channels, stalled, ages
        self.counting = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, json.dumps({"op": "subscribe", "channels": self.channels}).encode())
        if self.stalled:
            transport.underlying_transport.pause_reading()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.counting and frame.msg_type == WSMsgType.TEXT:
            now_ms = time.time() * 1000
            found = SENT_MS.search(frame.get_payload_as_bytes()[:200])
            if found:
                self.ages.append(now_ms - int(found.group(1)))


async def watch(url: str, clients: int, stalled: int, channels: list[str], seconds: float) -> dict[str, float]:
    ages: list[float] = []
    everyone: list[Client] = []
    transports = []
    for number in range(clients):
        transport, client = await ws_connect(lambda n=number: Client(channels, n < stalled, ages), url)  # type: ignore[misc]
        everyone.append(client)
        transports.append(transport)
    await asyncio.sleep(5)
    for client in everyone:
        client.counting = True
    await asyncio.sleep(seconds)
    for transport in transports:
        transport.disconnect(graceful=False)
    ages.sort()
    reading = clients - stalled
    return {
        "frames_per_client_s": len(ages) / reading / seconds,
        "p50_ms": ages[len(ages) // 2],
        "p99_ms": ages[int(len(ages) * 0.99)],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--stalled", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--channels", nargs="+", required=True)
    options = parser.parse_args()
    print(json.dumps(uvloop.run(watch(options.url, options.clients, options.stalled, options.channels, options.seconds))))
