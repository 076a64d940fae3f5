"""Addresses of files, and the passwords that people write into them: used, and never shown or written down."""

from __future__ import annotations

import netrc
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from mapga.errors import ConfigError

__all__ = ["bare", "login", "refuse_password", "shown"]

# Up to the last @ stands a user's name, or a token; with a colon in it a password, whatever other signs that has.
_USER = re.compile(r"(?<=://)(\S*:\S*|[^/?#\s]*)@")
_QUERY = re.compile(r"(?<=://)([^\s?]*)\?\S*")
_TOKEN = re.compile(
    r"://[^\s?]*\?(\S*&)?[^\s=&]*(token|key|secret|signature|sig|credential|password|passwd|auth)[^\s=&]*=",
    re.IGNORECASE,
)


def refuse_password(value: Any, key: str) -> None:
    """Refuse an address with a user's name, a password or a token in it, anywhere in a plain value of a config.

    A config is written into a run's folder, into lists of submissions, by Hydra, by launchers and by trackers.

    Raises:
        ConfigError: Naming the key, and where passwords are looked for.
    """
    if isinstance(value, Mapping):
        for name, item in value.items():
            refuse_password(item, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list | tuple):
        for item in value:
            refuse_password(item, key)
    elif isinstance(value, str) and (_USER.search(value) or _TOKEN.search(value)):
        what, where = "a token", "the whole address into the environment as MAPGA_URL_<KEY>"
        if _USER.search(value):
            what, where = "a user's name or a password", f"them into ~/.netrc, or {where}"
        raise ConfigError(f"{key}: the address holds {what}, which would be written down with the config; put {where}")


def bare(text: str) -> str:
    """A text whose addresses are without user's name and password."""
    return _USER.sub("", text)


def shown(text: str) -> str:
    """A text as messages may show it: its addresses also without their queries, which may hold tokens."""
    return _QUERY.sub(r"\1", bare(text))


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
