"""Sets up the virtual environment that `make` runs in. Standard library only; does nothing when all is in place."""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--browser", action="store_true", help="make sure that a Chromium is there for the browser tests")
    options = parser.parse_args()
    python = options.venv / "bin" / "python"
    try:
        if not python.exists():
            create(options.venv)
        install(python, options.venv, options.lock)
        if options.browser:
            ensure_browser(python)
    except subprocess.CalledProcessError as error:
        print(f"set-up failed: {' '.join(map(str, error.cmd))} ended with {error.returncode}", file=sys.stderr)
        return 1
    return 0


def create(venv: Path) -> None:
    """A virtual environment with pip, also on a Debian whose Python came without ensurepip."""
    print(f"creating {venv} with Python {sys.version.split()[0]}", flush=True)
    if subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True, check=False).returncode:
        if shutil.which("uv"):
            subprocess.run(["uv", "venv", "--seed", "--python", sys.executable, venv], check=True)
            return
        if not (shutil.which("apt-get") and os.geteuid() == 0):
            print("this Python has no ensurepip: install it (Debian: apt install python3-venv)", file=sys.stderr)
            raise SystemExit(1)
        apt_install("python3-venv", f"python{sys.version_info.major}.{sys.version_info.minor}-venv")
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)


def install(python: Path, venv: Path, lock: Path) -> None:
    """Exactly what the lock file names, checked by hash; a stamp spares the work when it was done before."""
    stamp = venv / f"{lock.name}.sha256"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    print(f"installing {lock}", flush=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([*pip, "--only-binary=:all:", "--require-hashes", "-r", lock], check=True)
    stamp.write_text(digest)


def ensure_browser(python: Path) -> None:
    """A Chromium for the browser tests: the system's, else Playwright's own, else Debian's package."""
    if any(shutil.which(b) for b in BROWSERS) or Path("/Applications/Google Chrome.app").exists():
        return
    probe = (
        "import os; from playwright.sync_api import sync_playwright as start\n"
        "with start() as p: raise SystemExit(not os.path.exists(p.chromium.executable_path))"
    )
    if subprocess.run([python, "-c", probe], capture_output=True, check=False).returncode == 0:
        return
    print("getting a Chromium for the browser tests", flush=True)
    if shutil.which("apt-get") and os.geteuid() == 0:
        apt_install("chromium")
        return
    subprocess.run([python, "-m", "playwright", "install", "chromium"], check=True)


def apt_install(*packages: str) -> None:
    """The first of `packages` that Debian has."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
    for package in packages:
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
        if subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL).returncode == 0:
            return
    raise subprocess.CalledProcessError(1, ["apt-get", "install", *packages])


if __name__ == "__main__":
    sys.exit(main())
