"""Account values and positions, as the venue keeps them up to date. Read only: there is no order in this module."""

from typing import Any

from core.venues.ibkr.client import ACCOUNT_TAGS, IbClient

#: how an account's name begins -> what kind it is
_KINDS = {"SIM": "simulated", "DU": "paper", "DF": "paper"}


def kind_of(account: str) -> str:
    """`simulated`, `paper` or `live`."""
    return next((kind for start, kind in _KINDS.items() if account.startswith(start)), "live")


class Accounts:
    """What the accounts of one connection hold."""

    def __init__(self, client: IbClient) -> None:
        self._client = client

    async def subscribe(self, timeout_s: float) -> None:
        """Ask for values and positions once; the venue goes on telling changes. Raises VenueUnavailable."""
        await self._client.account_summary(timeout_s)
        await self._client.positions(timeout_s)

    def status(self) -> list[dict[str, Any]]:
        """As `status()["accounts"]` tells it; quantities in shares, values in the account's currency."""
        values: dict[str, dict[str, float]] = {account: {} for account in self._client.accounts}
        for account, tag, value in self._client.account_values():
            if tag in ACCOUNT_TAGS and account in values:
                values[account][tag] = _number(value)
        return [
            {
                "account": account,
                "kind": kind_of(account),
                "values": tags,
                "positions": [
                    {"symbol": symbol, "quantity": quantity, "average_cost": cost}
                    for symbol, quantity, cost in self._client.positions_of(account)
                ],
            }
            for account, tags in values.items()
        ]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
