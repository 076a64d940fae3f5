"""The key of Weights & Biases: where it lies, and whether its server takes it. Imports no wandb; never shows a key."""

from __future__ import annotations

import base64
import json
import netrc
import os
import urllib.error
import urllib.request
from functools import cache
from urllib.parse import urlparse

__all__ = ["check_key", "find_key"]

_LENGTH = 40  # of a key, or more
_SECONDS = 5.0
_ASK = json.dumps({"query": "query Viewer { viewer { id } }"}).encode()


def find_key() -> str | None:
    """The key that wandb would take: of ``WANDB_API_KEY``, else the one for its server in ``~/.netrc``."""
    if key := os.environ.get("WANDB_API_KEY"):
        return key
    try:
        found = netrc.netrc().authenticators(urlparse(_server()).hostname or "")
    except (OSError, netrc.NetrcParseError):
        return None
    return found[2] if found else None


def check_key(key: str | None) -> None:
    """Ask the server whether it knows a key. One that does not answer in time refuses nothing.

    Raises:
        ValueError: There is no key, it cannot be one, or it is refused.
    """
    if key is None:
        problem = "there is no key"
    elif len(key) < _LENGTH:
        problem = f"the key has {len(key)} characters, one of Weights & Biases has {_LENGTH} or more"
    elif not _taken(_server(), key):
        problem = f"{_server()} does not take the key"
    else:
        return
    raise ValueError(
        f"tracker.wandb: {problem}; set WANDB_API_KEY (or `wandb login`), or choose tracker.wandb.mode=offline"
    )


def _server() -> str:
    return os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").rstrip("/")


@cache
def _taken(server: str, key: str) -> bool:
    if urlparse(server).scheme not in ("http", "https"):
        return True  # wandb will say what is wrong with it
    secret = base64.b64encode(f"api:{key}".encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {secret}"}
    request = urllib.request.Request(f"{server}/graphql", _ASK, headers)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            said = json.loads(answer.read(1 << 16))
    except urllib.error.HTTPError as error:
        return error.code not in (401, 403)
    except (OSError, ValueError):
        return True
    return not (isinstance(said, dict) and said.get("data") == {"viewer": None})
