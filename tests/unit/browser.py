"""A real browser for pages that open from disk: Debian's Chromium, run once per page, without a network."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""


def run_page(page: str, act: str, folder: Path) -> str:
    """Open a page, let `act` (JavaScript, may await) work on it, and give back what it returns, as text.

    The page's policy lets no strange script run, so it is taken out first: what the policy does is tested apart.
    """
    probe = (
        "<script>(async () => {"
        "const saved = []; URL.createObjectURL = (blob) => { saved.push(blob.text()); return 'about:blank'; };"
        "HTMLAnchorElement.prototype.click = function () {};"
        "let told; try { told = await (async () => {" + act + "})(); } catch (error) { told = 'failed: ' + error; }"
        "const out = document.createElement('pre'); out.id = 'told'; out.textContent = String(told);"
        "document.body.append(out); })();</script></body>"
    )
    bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    path = folder / "page.html"
    path.write_text(bare.replace("</body>", probe), encoding="utf-8")
    return _told(_dump(path, folder))


def run_untouched(page: str, folder: Path) -> str:
    """Open a page just as it is, and give back its tree."""
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    return _dump(path, folder)


def _dump(path: Path, folder: Path) -> str:
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--virtual-time-budget=3000", f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def _told(dom: str) -> str:
    found = re.search(r'<pre id="told">(.*?)</pre>', dom, flags=re.DOTALL)
    assert found, dom[-2000:]
    return html.unescape(found.group(1))
