"""Takes the pictures of docs/screenshots from a running app: python scripts/screenshots.py http://127.0.0.1:8050"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

OUT = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
PAGES = {
    "live": "/",
    "books": "/books?symbol=AAPL",
    "connections": "/connections",
    "workers": "/workers",
    "options": "/options?underlying=BTC",
    "monitoring": "/monitoring",
    "settings": "/settings",
}
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}


def main(base: str) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
        )
        for size, (width, height) in SIZES.items():
            for theme in ("dark", "light"):
                phone = size == "phone"
                context = browser.new_context(viewport={"width": width, "height": height}, is_mobile=phone, has_touch=phone)
                context.add_init_script(f"localStorage.setItem('quintet.appearance', JSON.stringify({{theme: '{theme}'}}))")
                page = context.new_page()
                for name, path in PAGES.items():
                    page.goto(base + path)
                    page.wait_for_timeout(8_000 if name in ("monitoring", "connections") else 4_000)
                    page.screenshot(path=OUT / f"{name}-{size}-{theme}.png")
                context.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
