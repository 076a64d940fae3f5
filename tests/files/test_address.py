"""Passwords in addresses: found, and taken out."""

from __future__ import annotations

import pytest

from mapga.errors import ConfigError
from mapga.files.address import bare, login, refuse_password, shown

SECRET = [
    "http://user:SECRET@host/x.pt",
    "http://SECRET@host/x.pt",
    "https://user:SEC@RET@host:8080/x.pt",
    "http://user:SE/CRET@host/x.pt",
    "http://user:SE#CRET?@host/x.pt",
    "prior.denoiser_source='http://user:SECRET@host/x.pt'",
]
OPEN = ["http://host/x.pt", "https://host/owner/name@v1/x.pt", "/home/me@here/x.pt", "solver@_global_: pgdm", "a: b@c"]


@pytest.mark.parametrize("text", SECRET)
def test_a_password_is_found_and_taken_out(text: str):
    with pytest.raises(ConfigError, match=r"^prior\.source: .*netrc.*MAPGA_URL_") as refused:
        refuse_password({"prior": {"source": ["x", text]}}, "")
    assert "RET" not in str(refused.value)
    for said in (bare(text), shown(text)):
        assert "RET" not in said and "user" not in said and "://host" in said and "/x.pt" in said


@pytest.mark.parametrize("text", OPEN)
def test_a_text_without_one_stays_as_it_is(text: str):
    refuse_password({"prior": {"source": text, "other": None, "steps": 3}}, "")
    assert bare(text) == shown(text) == text


@pytest.mark.parametrize(
    "query", ["token=SECRET", "part=2&X-Amz-Signature=SECRET", "sig=SECRET&se=1", "api_key=SECRET", "auth=SECRET"]
)
def test_a_token_is_found_and_not_shown(query: str):
    text = f"https://host/a/x.pt?{query}"
    with pytest.raises(ConfigError, match=r"^prior\.source: the address holds a token, .*MAPGA_URL_") as refused:
        refuse_password({"prior": {"source": text}}, "")
    assert "SECRET" not in str(refused.value)
    assert shown(f"fetch {text} or {text}") == "fetch https://host/a/x.pt or https://host/a/x.pt"
    assert bare(text) == text  # as it is asked for


@pytest.mark.parametrize("query", ["download=1", "part=2&ref=main", "name=a"])
def test_other_queries_are_let_be(query: str):
    refuse_password({"prior": {"source": f"https://host/x.pt?{query}"}}, "")


def test_a_query_may_hold_a_token():
    assert shown("https://host/x.pt?token=SECRET") == "https://host/x.pt"
    assert bare("https://host/x.pt?part=2") == "https://host/x.pt?part=2"
    assert shown("/tmp/what?.pt") == "/tmp/what?.pt"


def test_signs_of_a_password_may_be_escaped():
    assert login("https://us%40er:S%2FCRET@host/x") == ("us@er", "S/CRET")
