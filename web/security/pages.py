"""Pages that need no login and no script: the login itself, and what stands where nothing is."""

from html import escape

LOGIN_CSS = """\
:root { color-scheme: light dark; --ground: #f4f6f9; --card: #ffffff; --text: #16202e; --soft: #55637a; --line: #c9d1de;
  --accent: #1c5fd4; --on-accent: #ffffff; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #0d1219; --card: #161d27; --text: #e6ebf2; --soft: #9aa7ba; --line: #303b4b;
    --accent: #6ea1ff; --on-accent: #0b1524; --bad: #ff8a80; } }
* { box-sizing: border-box; }
html, body { height: 100%; margin: 0; }
body { display: grid; place-items: center; padding: 16px; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { width: 100%; max-width: 360px; padding: 32px; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; }
.mark { display: flex; gap: 4px; align-items: flex-end; height: 28px; margin-bottom: 20px; }
.mark i { width: 6px; border-radius: 2px; background: var(--accent); }
.mark i:nth-child(1) { height: 40%; } .mark i:nth-child(2) { height: 75%; } .mark i:nth-child(3) { height: 55%; }
.mark i:nth-child(4) { height: 100%; } .mark i:nth-child(5) { height: 65%; }
h1 { margin: 0 0 4px; font-size: 22px; letter-spacing: -0.01em; }
p { margin: 0 0 24px; color: var(--soft); }
label { display: block; margin-bottom: 6px; font-weight: 600; font-size: 14px; }
input { width: 100%; min-height: 44px; padding: 8px 12px; font: inherit; color: inherit; background: var(--ground);
  border: 1px solid var(--line); border-radius: 8px; }
button, .button { display: block; width: 100%; min-height: 44px; margin-top: 16px; padding: 10px; border: 0;
  border-radius: 8px; background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600;
  text-align: center; text-decoration: none; cursor: pointer; }
input:focus-visible, button:focus-visible, .button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.error { margin: 12px 0 0; color: var(--bad); font-weight: 600; font-size: 14px; }
"""


_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='%234c86f0'%3E"
    "%3Cpath d='M1 10h2v5H1zM4 6h2v9H4zM7 8h2v7H7zM10 2h2v13h-2zM13 7h2v8h-2z'/%3E%3C/svg%3E"
)


def login_page(target: str, error: str = "") -> str:
    """The form; `target` is the local path to go to afterwards."""
    told = f'<p class="error" id="error" role="alert">{escape(error)}</p>' if error else ""
    described = ' aria-describedby="error" aria-invalid="true"' if error else ""
    return _page(
        "Log in",
        f"""<h1>Quintet</h1><p>Five live series, one stream.</p>
<form method="post" action="/login">
<input type="hidden" name="next" value="{escape(target)}">
<input type="text" name="username" value="admin" autocomplete="username" hidden>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus{described}>
{told}<button type="submit">Log in</button></form>""",
    )


def not_found_page() -> str:
    return _page(
        "Not found",
        """<h1>Nothing here</h1><p>There is no page at this address. It may have moved, or the link was mistyped.</p>
<a class="button" href="/">Go to Live</a>""",
    )


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} · Quintet</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/login.css">
<link rel="icon" href="{_ICON}"></head>
<body><main><div class="mark" aria-hidden="true"><i></i><i></i><i></i><i></i><i></i></div>
{body}</main></body></html>"""
