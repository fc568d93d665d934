"""What a site's robots.txt asks of us, by RFC 9309.

This module does not fetch: it is given what came back. It does not wait either; it says how long to.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from protego import Protego

TOKEN: Final = "econchatr"
"""The name that robots.txt files may address us by."""

MAX_AGE_SECONDS: Final = 24 * 3600.0
"""Source: RFC 9309, section 2.4: a copy should not be used for more than 24 hours."""

_MAX_CHARS: Final = 512_000
"""Source: RFC 9309, section 2.5: at least 500 kibibytes must be read."""


class Rules(NamedTuple):
    """One site's rules."""

    parsed: Protego | None
    """`None`: nothing is known, see `reason`."""
    reason: str
    """Why nothing may be asked at all; empty where the rules decide, or where there are none."""

    def allows(self, address: str) -> bool:
        """Whether the site lets us ask for this address."""
        if self.reason:
            return False
        return self.parsed is None or self.parsed.can_fetch(address, TOKEN)

    @property
    def delay_seconds(self) -> float:
        """The pause the site asks for between two requests; 0 where it asks for none."""
        if self.parsed is None:
            return 0.0
        delay = self.parsed.crawl_delay(TOKEN) or 0.0
        rate = self.parsed.request_rate(TOKEN)
        if rate is not None and rate.requests > 0:
            delay = max(delay, rate.seconds / rate.requests)
        return delay if math.isfinite(delay) and delay > 0 else 0.0


def read_rules(status: int, body: bytes) -> Rules:
    """The rules in an answer to `/robots.txt`.

    Source: RFC 9309, section 2.3.1: 4xx means there are no rules; a server error means everything is forbidden. 429
    says that the server is overrun, so it counts as a server error here.
    """
    if 200 <= status < 300:
        return Rules(Protego.parse(body.decode("utf-8", "replace").lstrip("\ufeff")[:_MAX_CHARS]), "")
    if 400 <= status < 500 and status != 429:
        return Rules(None, "")
    return Rules(None, f"its robots.txt could not be read (status {status}), and then everything counts as forbidden")
