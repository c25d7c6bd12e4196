"""Quintet's command line and composition root. `uvicorn app:server` serves the same application from the environment."""

import argparse
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.base.errors import ConfigError, FatalError
from core.base.log import configure_logging
from core.base.settings import MODES, Settings, load_settings

logger = logging.getLogger("quintet")


def parse_arguments(argv: Sequence[str]) -> dict[str, object]:
    """Settings fields that the command line names."""
    parser = argparse.ArgumentParser(prog="app.py", description="Quintet: a live trading and monitoring dashboard.")
    parser.add_argument("--market", choices=MODES, help="auto: live if a venue answers within 2 s, else simulated")
    parser.add_argument("--replay", nargs="+", type=Path, metavar="FILE", help="recorded frames, merged by time")
    parser.add_argument("--speed", type=float, metavar="X", help="pace of a replay; 0 = as fast as it goes")
    parser.add_argument("--host", help="address to listen on; any but a loopback one needs ADMIN_PASSWORD and SECRET_KEY")
    parser.add_argument("--port", type=int)
    parser.add_argument("--data-dir", type=Path, help="where the embedded servers, the spool and the lock live")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    options = vars(parser.parse_args(argv))
    options["replay"] = tuple(options["replay"]) if options["replay"] else None
    options["open_browser"] = not options.pop("no_browser")
    return options


def __getattr__(name: str) -> Any:
    """`server`: the ASGI application from the environment, made when somebody asks for it (uvicorn does)."""
    if name != "server":
        raise AttributeError(name)
    settings = load_settings()
    configure_logging(settings.log_level, settings.secrets)
    sys.setswitchinterval(0.0001)
    globals()["server"] = build(settings)
    return globals()["server"]


def build(settings: Settings) -> Any:
    """The whole application; nothing runs until its lifespan starts."""
    gc.disable()
    from core.system import System
    from web.server import create_server

    return create_server(System(settings), on_fatal=end_process)


def end_process(reason: str) -> None:
    """The engine cannot go on: say why and end as on SIGTERM, with exit code 1."""
    logger.critical("%s", reason)
    globals()["exit_code"] = 1
    signal.raise_signal(signal.SIGTERM)


exit_code = 0


def check_port(host: str, port: int) -> None:
    """Raises ConfigError when somebody else listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(f"cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop; returns the exit code."""
    try:
        settings = load_settings(parse_arguments(sys.argv[1:] if argv is None else argv))
        check_port(settings.host, settings.port)
    except FatalError as error:
        print(f"quintet: {error}", file=sys.stderr)
        return 2
    configure_logging(settings.log_level, settings.secrets)
    # ticks on the engine thread must not wait out a slow page: 0.1 ms instead of 5 ms
    sys.setswitchinterval(0.0001)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return serve(settings)


def serve(settings: Settings) -> int:
    """Start the system, then the web server; stop both in turn."""
    # what is loaded stays: looking through it costs the start a quarter of a second; the web's lifespan enables it again
    gc.disable()
    from core.system import System

    system = System(settings)
    try:
        system.prepare()
        # a second's work, while servers and venue start
        import uvicorn

        from web.server import create_server

        system.start()
    except FatalError as error:
        system.stop()
        print(f"quintet: {error}", file=sys.stderr)
        return 1
    except BaseException:
        system.stop()
        raise
    config = uvicorn.Config(
        create_server(system, on_fatal=end_process),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=64 * 1024,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=3,
    )
    shown = "127.0.0.1" if settings.is_public else settings.host
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{settings.port}/"
    logger.info("Quintet %s on %s", system.source, address)
    if settings.open_browser:
        open_browser(address, settings.port)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run()
    finally:
        system.stop()
    return exit_code


def open_browser(address: str, port: int) -> None:
    """Open a browser window as soon as the port answers, where there is a screen to open it on."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return

    def wait_and_open() -> None:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                webbrowser.open(address)
                return
            threading.Event().wait(0.1)

    threading.Thread(target=wait_and_open, name="open-browser", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
