"""How pages and callbacks reach the running system without a global of their own."""

from typing import cast

import dash

from core.system import System


def current_system() -> System:
    """The system behind the dashboard that answers this request."""
    return cast(System, dash.get_app().server.state.system)
