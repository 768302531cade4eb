"""The addresses by which users know a Space."""

from __future__ import annotations

import pytest

from qwen_gradio import SpaceUnavailableError
from qwen_gradio._access import address_of


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


@pytest.mark.parametrize("given", ["", "nowhere", "a/b/c", "ftp://host", "127.0.0.1:7860"])
def test_an_invalid_address_is_rejected(given: str) -> None:
    with pytest.raises(SpaceUnavailableError, match="is not a Space"):
        address_of(given)
