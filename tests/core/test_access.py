"""The addresses by which users know a Space."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_gradio import AuthenticationError, SpaceUnavailableError
from qwen_gradio._access import Access, address_of


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("Qwen/Qwen2.5-Max-Demo", "Qwen/Qwen2.5-Max-Demo"),
        ("https://huggingface.co/spaces/Qwen/Qwen2.5-Max-Demo?logs=1", "Qwen/Qwen2.5-Max-Demo"),
        (" http://127.0.0.1:7860/ ", "http://127.0.0.1:7860"),
        ("https://host/app/?__theme=dark#top", "https://host/app"),
    ],
)
def test_a_space_is_known_by_any_of_its_addresses(given: str, address: str) -> None:
    assert address_of(given) == address


@pytest.mark.parametrize(
    "given", ["", "nowhere", "a/b/c", "ftp://host", "127.0.0.1:7860", "owner/..", "./name"]
)
def test_an_invalid_address_is_rejected(given: str) -> None:
    with pytest.raises(SpaceUnavailableError, match="is not a Space"):
        address_of(given)


@pytest.mark.parametrize(
    "given",
    [
        "http://",
        "https:///path",
        "http://:7860",
        "http://host:port",
        "http://host:99999",
        "http://[::1",
    ],
)
def test_a_url_without_a_host_or_with_an_impossible_port_is_rejected(given: str) -> None:
    with pytest.raises(SpaceUnavailableError, match="URL is not valid"):
        address_of(given)


@pytest.mark.parametrize(
    ("space", "key"),
    [
        ("Qwen/Qwen2.5", "Qwen/Qwen2.5"),
        ("https://huggingface.co/spaces/Qwen/Qwen2.5", "Qwen/Qwen2.5"),
        ("https://qwen-qwen2-5.hf.space/", "by-subdomain/qwen-qwen2-5"),
        ("https://hf.space", None),
        ("https://qwen-qwen2-5.hf.space.test", None),
        ("http://127.0.0.1:7860", None),
    ],
)
def test_a_space_on_the_hub_has_a_name_there(space: str, key: str | None) -> None:
    assert Access.parse(space).hub_key == key


@pytest.mark.parametrize(
    "headers",
    [
        {"": "x"},
        {"two words": "x"},
        {"X-Colon:": "x"},
        {7: "x"},
        {"X-Number": 7},
        {"X-Line": "a\r\nX-Other: b"},
        {"X-Accent": "é"},
        {"X-Space": " x"},
        {"Authorization": f"Bearer hf_{'secret' * 5}"},
        {"X-Key": f"hf_{'secret' * 5}"},
        {"X-HF-Authorization": "x"},
        {"Host": "elsewhere.test"},
        {"Cookie": "a=b"},
    ],
)
def test_a_header_that_cannot_be_sent_is_rejected(headers: Any) -> None:
    with pytest.raises(ValueError, match=r"^headers: ") as caught:
        Access.parse("a/b", headers=headers)
    assert "secret" not in str(caught.value)


def test_an_oauth_token_may_end_in_a_newline_and_must_be_one() -> None:
    assert Access.parse("a/b", oauth_token="hf_secret\n").oauth_token == "hf_secret"
    with pytest.raises(AuthenticationError, match="oauth_token"):
        Access.parse("a/b", oauth_token="hf_sécret")


def test_no_secret_is_in_the_repr() -> None:
    access = Access.parse("a/b", "secret", headers={"X-Key": "secret"}, oauth_token="secret")
    assert "secret" not in repr(access)


def test_headers_are_sent_as_they_are_given() -> None:
    headers = {"Authorization": "Basic YWRhOng=", "X-Source": "an hf_space", "X-Empty": ""}
    assert dict(Access.parse("a/b", headers=headers).headers) == headers
