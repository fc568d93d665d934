"""A real browser for pages that open from disk: Debian's Chromium, run once per page, without a network."""

from __future__ import annotations

import html
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""


def find_axe() -> Path | None:
    """Where the accessibility checker's script lies; `None`: the package that carries it is not installed."""
    found = importlib.util.find_spec("axe_playwright_python")
    path = Path(found.origin).with_name("axe.min.js") if found and found.origin else None
    return path if path and path.is_file() else None


def run_page(page: str, act: str, folder: Path, *, library: Path | None = None, flags: tuple[str, ...] = ()) -> str:
    """Open a page, let `act` (JavaScript, may await) work on it, and give back what it returns, as text.

    The page's policy lets no strange script run, so it is taken out first: what the policy does is tested apart.

    Args:
        library: A script that is loaded before `act`.
        flags: Of the browser: `--window-size=390,844`.
    """
    loaded = f'<script src="{library.as_uri()}"></script>' if library else ""
    probe = (
        f"{loaded}<script>(async () => {{"
        "const saved = []; URL.createObjectURL = (blob) => { saved.push(blob.text()); return 'about:blank'; };"
        "HTMLAnchorElement.prototype.click = function () {};"
        "let told; try { told = await (async () => {" + act + "})(); } catch (error) { told = 'failed: ' + error; }"
        "const out = document.createElement('pre'); out.id = 'told'; out.textContent = String(told);"
        "document.body.append(out); })();</script></body>"
    )
    bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    path = folder / "page.html"
    path.write_text(bare.replace("</body>", probe), encoding="utf-8")
    return _told(_dump(path, folder, flags))


def run_untouched(page: str, folder: Path) -> str:
    """Open a page just as it is, and give back its tree."""
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    return _dump(path, folder)


def _dump(path: Path, folder: Path, flags: tuple[str, ...] = ()) -> str:
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--virtual-time-budget=3000", "--allow-file-access-from-files", *flags,
        f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def _told(dom: str) -> str:
    found = re.search(r'<pre id="told">(.*?)</pre>', dom, flags=re.DOTALL)
    assert found, dom[-2000:]
    return html.unescape(found.group(1))
