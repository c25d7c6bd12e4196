"""The theme's colours for figures, read from the one stylesheet that has them."""

import functools
import re
from pathlib import Path

STYLESHEET = Path(__file__).resolve().parents[2] / "assets" / "00_tokens.css"

_BLOCK = re.compile(r"([^{}]+)\{([^{}]*)\}")
_VARIABLE = re.compile(r"--q-([a-z0-9-]+)\s*:\s*([^;]+);")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)

Tokens = dict[str, str]

SCHEMES = ("dark", "light")
PAIRS = ("green-red", "blue-orange")


def read_tokens(css: str, scheme: str, pair: str = "green-red") -> Tokens:
    """The variables without their `--q-` in force for a colour scheme (`dark`, `light`) and an up/down pair."""
    tokens: Tokens = {}
    for selector, body in _BLOCK.findall(_COMMENT.sub("", css)):
        if any(_applies(part.strip(), scheme, pair) for part in selector.split(",")):
            tokens |= dict(_VARIABLE.findall(body))
    return tokens


def _applies(selector: str, scheme: str, pair: str) -> bool:
    """Whether a `:root[data-…="…"]` selector matches a page of this scheme, pair and the default density."""
    wanted = dict(re.findall(r'\[data-([a-z-]+)="([^"]+)"\]', selector))
    return wanted.items() <= {"mantine-color-scheme": scheme, "pair": pair}.items()


@functools.cache
def scheme_tokens(scheme: str) -> Tokens:
    """The colours of `dark` or `light` as the stylesheet has them; anything else means dark."""
    return read_tokens(STYLESHEET.read_text(encoding="utf-8"), scheme if scheme in SCHEMES else "dark")
