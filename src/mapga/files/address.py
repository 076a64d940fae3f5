"""Addresses of files, and the passwords that people write into them: used, and never shown or written down."""

from __future__ import annotations

import netrc
import re
from urllib.parse import unquote, urlsplit

__all__ = ["bare", "has_password", "login", "shown"]

# Up to the last @ stands a user's name, or a token; with a colon in it a password, whatever other signs that has.
_USER = re.compile(r"(?<=://)(\S*:\S*|[^/?#\s]*)@")


def has_password(text: str) -> bool:
    """Whether a text holds an address with a user's name or a password in it."""
    return _USER.search(text) is not None


def bare(text: str) -> str:
    """A text whose addresses are without user's name and password."""
    return _USER.sub("", text)


def shown(source: str) -> str:
    """An address, or a path, as messages may show it: an address also without its query, which may hold a token."""
    return bare(source).partition("?")[0] if "://" in source else source


def login(address: str) -> tuple[str, str] | None:
    """The user and password in an address, else those of its host in ``~/.netrc``.

    Raises:
        ValueError: It is no address.
    """
    parts = urlsplit(address)
    if parts.username is not None:
        return unquote(parts.username), unquote(parts.password or "")
    try:
        found = netrc.netrc().authenticators(parts.hostname or "")
    except (OSError, netrc.NetrcParseError):
        return None
    return (found[0], found[2]) if found else None
