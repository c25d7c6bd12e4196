"""Answers clients' questions about the account: positions, summary, updates. Tells those who listen when it changes."""

from collections.abc import Callable

from core.venues.simulated.tws import layouts, messages, times
from core.venues.simulated.tws.account import SUMMARY_TAGS, Account
from core.venues.simulated.tws.client import Client
from core.venues.simulated.tws.requests import Ask, Request
from core.venues.simulated.tws.stocks import STOCKS
from core.venues.simulated.tws.wire import Value, encode

_ACCOUNT_TYPE = "INDIVIDUAL"


class AccountDesk:
    """`price` gives a symbol's last price in dollars."""

    def __init__(self, account: Account, price: Callable[[str], float], now_ms: Callable[[], int]) -> None:
        self.account = account
        self._price = price
        self._now_ms = now_ms
        self._updates: set[Client] = set()
        self._multi: dict[tuple[Client, int], None] = {}
        self._summaries: dict[tuple[Client, int], tuple[str, ...]] = {}
        self._positions: set[Client] = set()

    def handle(self, client: Client, request: Request) -> bool:
        """Answer a request; False when it is not of this desk."""
        match request.ask:
            case Ask.POSITIONS:
                self._positions.add(client)
                self._send_positions(client, with_flat=False)
                client.send(encode(layouts.POSITION_END, client.version))
            case Ask.CANCEL_POSITIONS:
                self._positions.discard(client)
            case Ask.ACCOUNT_UPDATES:
                self._account_updates(client, request)
            case Ask.ACCOUNT_UPDATES_MULTI:
                self._multi[client, request.req_id] = None
                self._send_multi(client, request.req_id)
                client.send(messages.of_id(layouts.ACCOUNT_MULTI_END, request.req_id, client.version))
            case Ask.CANCEL_ACCOUNT_UPDATES_MULTI:
                self._multi.pop((client, request.req_id), None)
            case Ask.ACCOUNT_SUMMARY:
                self._summaries[client, request.req_id] = _tags(request.values["tags"])
                self._send_summary(client, request.req_id)
                client.send(messages.of_id(layouts.ACCOUNT_SUMMARY_END, request.req_id, client.version))
            case Ask.CANCEL_ACCOUNT_SUMMARY:
                self._summaries.pop((client, request.req_id), None)
            case Ask.MANAGED_ACCOUNTS:
                client.send(encode(layouts.MANAGED_ACCOUNTS, client.version, accounts=self.account.name))
            case _:
                return False
        return True

    def forget(self, client: Client) -> None:
        """A client is gone."""
        self._updates.discard(client)
        self._positions.discard(client)
        self._multi = {key: None for key in self._multi if key[0] is not client}
        self._summaries = {key: tags for key, tags in self._summaries.items() if key[0] is not client}

    def changed(self) -> None:
        """A fill changed the account: tell everyone who listens."""
        for client in self._positions:
            self._send_positions(client, with_flat=True)
        self.refresh()

    def refresh(self) -> None:
        """Prices moved the account: tell those who listen to its values."""
        for client in self._updates:
            self._send_updates(client)
        for client, req_id in self._multi:
            self._send_multi(client, req_id)
        for client, req_id in self._summaries:
            self._send_summary(client, req_id)

    def values(self) -> dict[str, float]:
        return self.account.values({symbol: self._price(symbol) for symbol in self.account.positions})

    def _account_updates(self, client: Client, request: Request) -> None:
        if not request.flag("subscribe"):
            self._updates.discard(client)
            return
        self._updates.add(client)
        self._send_updates(client)
        client.send(encode(layouts.ACCOUNT_DOWNLOAD_END, client.version, account=self.account.name))

    def _send_positions(self, client: Client, with_flat: bool) -> None:
        for symbol, position in self.account.positions.items():
            if position.quantity or with_flat:
                contract = STOCKS[symbol].contract() | {"exchange": "NASDAQ"}
                del contract["primaryExchange"]
                values: dict[str, Value] = {
                    "account": self.account.name,
                    "position": position.quantity,
                    "averageCost": position.average,
                }
                client.send(encode(layouts.POSITION, client.version, **contract, **values))

    def _send_updates(self, client: Client) -> None:
        name, version = self.account.name, client.version
        client.send(encode(layouts.ACCOUNT_VALUE, version, key="AccountType", value=_ACCOUNT_TYPE, account=name))
        for tag, value in self.values().items():
            currency = "" if tag == "Cushion" else "USD"
            client.send(
                encode(layouts.ACCOUNT_VALUE, version, key=tag, value=f"{value:.2f}", currency=currency, account=name)
            )
        for symbol, position in self.account.positions.items():
            price = self._price(symbol)
            contract = STOCKS[symbol].contract()
            del contract["exchange"]
            client.send(
                encode(
                    layouts.PORTFOLIO, version, **contract, position=position.quantity, marketPrice=price,
                    marketValue=round(position.quantity * price, 2), averageCost=position.average,
                    unrealizedPNL=round(self.account.unrealized(symbol, price), 2),
                    realizedPNL=round(self.account.realized, 2), account=name,
                )
            )  # fmt: skip
        client.send(encode(layouts.ACCOUNT_TIME, version, time=times.clock_text(self._now_ms())))

    def _send_multi(self, client: Client, req_id: int) -> None:
        for tag, value in self.values().items():
            client.send(
                encode(
                    layouts.ACCOUNT_MULTI, client.version, reqId=req_id, account=self.account.name, key=tag,
                    value=f"{value:.2f}", currency="USD",
                )
            )  # fmt: skip

    def _send_summary(self, client: Client, req_id: int) -> None:
        texts = {tag: f"{value:.2f}" for tag, value in self.values().items()} | {"AccountType": _ACCOUNT_TYPE}
        for tag in self._summaries[client, req_id]:
            if tag in texts:
                currency = "" if tag in ("AccountType", "Cushion") else "USD"
                client.send(
                    encode(
                        layouts.ACCOUNT_SUMMARY, client.version, reqId=req_id, account=self.account.name, tag=tag,
                        value=texts[tag], currency=currency,
                    )
                )  # fmt: skip


def _tags(asked: str) -> tuple[str, ...]:
    """The tags of a request; `All` and the `$LEDGER` kinds ask for everything there is."""
    if asked in ("", "All") or asked.startswith("$LEDGER"):
        return ("AccountType", *SUMMARY_TAGS)
    return tuple(tag for tag in asked.split(",") if not tag.startswith("$LEDGER"))
