"""The provider interface, verbatim, and what is rejected before any network access."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import socket
import subprocess
import sys
from typing import Any

import pytest

import qwen_gradio
from qwen_gradio import (
    InvalidMessagesError,
    ModelNotFoundError,
    Qwen_Qwen_2_5_Max,
    Qwen_Qwen_3,
    QwenGradioError,
    SpaceUnavailableError,
    generate_session_hash,
)
from qwen_gradio._models import provider_of

MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError("network access")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_its_facts_are_the_contracts() -> None:
    p = Qwen_Qwen_2_5_Max
    assert p.__name__ == "Qwen_Qwen_2_5_Max"
    assert p.label == "Qwen Qwen-2.5-Max"
    assert p.url == "https://qwen-qwen2-5-max-demo.hf.space"
    assert p.api_endpoint == "https://qwen-qwen2-5-max-demo.hf.space/gradio_api/queue/join?"
    assert p.working is p.supports_stream is p.supports_system_message is True
    assert p.supports_message_history is False
    assert p.default_model == "qwen-qwen2-5-max"
    assert p.model_aliases == {
        "qwen-2-5-max": "qwen-qwen2-5-max",
        "qwen-2.5-max": "qwen-qwen2-5-max",
    }
    assert p.models == ["qwen-2-5-max", "qwen-2.5-max"]


def test_what_registries_ask_of_it() -> None:
    p = Qwen_Qwen_2_5_Max
    assert p.get_models() == p.models
    assert p.get_dict() == {"name": "Qwen_Qwen_2_5_Max", "url": p.url, "label": p.label}
    assert {"model", "messages", "proxy", "timeout"} <= set(p.get_parameters())
    assert isinstance(p.get_parameters()["proxy"], inspect.Parameter)
    assert p.get_parameters(as_json=True)["model"] == p.default_model
    assert p.params.startswith("Qwen_Qwen_2_5_Max supports: (model")


def test_its_signature_is_the_contracts() -> None:
    parameters = inspect.signature(Qwen_Qwen_2_5_Max.create_async_generator).parameters
    assert [(name, p.default) for name, p in parameters.items()] == [
        ("model", inspect.Parameter.empty),
        ("messages", inspect.Parameter.empty),
        ("proxy", None),
        ("space", None),
        ("api_key", None),
        ("auth", None),
        ("timeout", None),
        ("stream_timeout", 300.0),
        ("max_retries", 2),
        ("history", "flat"),
        ("on_status", None),
        ("inputs", None),
        ("api_name", None),
        ("on_reasoning", None),
        ("headers", None),
        ("oauth_token", None),
        ("ssl_verify", True),
        ("reasoning_tags", None),
        ("files", None),
        ("kwargs", inspect.Parameter.empty),
    ]


@pytest.mark.parametrize(
    "model", ["qwen-2-5-max", "qwen-2.5-max", "qwen-qwen2-5-max", "auto", "", None]
)
def test_every_name_of_the_model_is_the_model(model: str | None) -> None:
    assert Qwen_Qwen_2_5_Max.get_model(model) == "qwen-qwen2-5-max"


@pytest.mark.parametrize(
    ("given", "provider", "model"),
    [
        ("Qwen/Qwen2.5-Max", "Qwen_Qwen_2_5_Max", "qwen-qwen2-5-max"),
        ("Qwen/Qwen2.5-Max-Demo", "Qwen_Qwen_2_5_Max", "qwen-qwen2-5-max"),
        ("QWEN-2.5-MAX", "Qwen_Qwen_2_5_Max", "qwen-qwen2-5-max"),
        ("qwen2.5-max", "Qwen_Qwen_2_5_Max", "qwen-qwen2-5-max"),
        ("Qwen/Qwen3-235B-A22B", "Qwen_Qwen_3", "qwen3-235b-a22b"),
        ("Qwen3-1.7B", "Qwen_Qwen_3", "qwen3-1.7b"),
        ("Qwen/Qwen3-Demo", "Qwen_Qwen_3", "qwen3-235b-a22b"),
        ("Qwen/Qwen3-VL-Demo", "Qwen_Qwen_3_VL", "qwen3-vl"),
        ("Qwen/Qwen2.5-72B-Instruct", "Qwen_Qwen_2_5", "qwen-2.5-72b"),
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen_Qwen_2_5", "qwen-2.5-0.5b"),
        ("Qwen/Qwen2.5", "Qwen_Qwen_2_5", "qwen-qwen2-5"),
        ("Qwen/Qwen2-72B-Instruct", "Qwen_Qwen_2_72B", "qwen-qwen2-72b-instruct"),
    ],
)
def test_the_hubs_names_are_understood_in_any_case(given: str, provider: str, model: str) -> None:
    found = provider_of(given)
    assert (found.__name__, found.get_model(given)) == (provider, model)


@pytest.mark.parametrize(
    "other",
    [
        "Qwen/Qwen3-235B-A22B-Instruct-2507",
        "Qwen/Qwen3-8B-Instruct",
        "Qwen/Qwen3-4B-Base",
        "Qwen/Qwen2.5-VL-72B-Instruct",
        "Qwen/Qwen2.5-Coder-7B-Instruct",
        "Qwen/Qwen2.5-7B-Instruct-1M",
        "Qwen/QwQ-32B",
        "someone/Qwen2.5-7B",
        "Qwen/",
        "2.5-max",
    ],
)
def test_a_similar_name_of_another_model_is_not_taken_for_it(other: str) -> None:
    with pytest.raises(ModelNotFoundError, match="there are"):
        provider_of(other)


def test_names_that_differ_only_in_spelling_are_not_confused() -> None:
    class Two(Qwen_Qwen_2_5_Max):
        default_model = "m-1.5"
        model_inputs = {"m-1.5": {"size": "a"}, "m-1-5": {"size": "b"}}  # noqa: RUF012
        model_aliases = {}  # noqa: RUF012

    assert (Two.get_model("m-1.5"), Two.get_model("m-1-5")) == ("m-1.5", "m-1-5")
    with pytest.raises(ModelNotFoundError):
        Two.get_model("M-1.5")


def test_every_models_name_is_understood_in_upper_case() -> None:
    for provider in qwen_gradio.providers().values():
        for name in [*provider.models, *provider.model_aliases, provider.default_model]:
            assert provider_of(name.upper()) is provider
            assert provider.get_model(name.upper()) == provider.get_model(name)


def test_an_unknown_model_is_rejected_with_those_there_are() -> None:
    with pytest.raises(ModelNotFoundError, match=r"gpt-5.*qwen-2-5-max, qwen-2.5-max") as caught:
        Qwen_Qwen_2_5_Max.create_async_generator("gpt-5", MESSAGES)
    assert isinstance(caught.value, QwenGradioError)
    assert isinstance(caught.value, ValueError)


def test_wrong_messages_are_rejected_at_once() -> None:
    with pytest.raises(InvalidMessagesError, match="empty"):
        Qwen_Qwen_2_5_Max.create_async_generator("qwen-2-5-max", [])


def test_non_text_arguments_are_rejected_before_any_request() -> None:
    with pytest.raises(InvalidMessagesError, match="not tools"):
        Qwen_Qwen_2_5_Max.create_async_generator(None, MESSAGES, tools=[{}], images=None)


@pytest.mark.parametrize(
    "options",
    [
        {"inputs": {"temperature": float("nan")}},
        {"inputs": {"seeds": {1, 2}}},
        {"inputs": {"note": "caf\udce9"}},
        {"inputs": {5: 1}},
    ],
)
def test_inputs_that_cannot_be_sent_are_rejected_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessagesError, match=r"^inputs: "):
        Qwen_Qwen_2_5_Max.create_async_generator(None, MESSAGES, **options)


def test_a_stream_is_one_of_a_kind() -> None:
    stream = Qwen_Qwen_2_5_Max.create_async_generator(None, MESSAGES)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="A stream cannot be copied or pickled"):
            attempt(stream)


def test_an_invalid_space_is_rejected_at_once() -> None:
    with pytest.raises(SpaceUnavailableError, match="'nowhere' is not a Space"):
        Qwen_Qwen_2_5_Max.create_async_generator(None, MESSAGES, space="nowhere")


@pytest.mark.parametrize("name", ["timeout", "stream_timeout"])
@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_an_invalid_time_out_is_rejected_at_once(name: str, seconds: float) -> None:
    options: dict[str, Any] = {name: seconds}
    with pytest.raises(ValueError, match=f"^{name} must be 0 or more, not {seconds}"):
        Qwen_Qwen_2_5_Max.create_async_generator(None, MESSAGES, **options)


def test_the_space_is_the_given_one_else_the_environments_else_the_real_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def asked(**options: Any) -> str:
        return repr(Qwen_Qwen_2_5_Max.create_async_generator(None, MESSAGES, **options))

    assert "https://qwen-qwen2-5-max-demo.hf.space" in asked()
    monkeypatch.setenv("QWEN_GRADIO_SPACE", "someone/from-the-environment")
    assert "someone/from-the-environment" in asked()
    assert "someone/given" in asked(space="someone/given")


def test_the_default_system_prompt_is_only_for_the_providers_own_space(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def default_system(space: str | None = None) -> str:
        asked = Qwen_Qwen_2_5_Max.create_async_generator(None, MESSAGES, space=space)
        return asked._question.prompt.default_system

    own = Qwen_Qwen_2_5_Max.default_system
    assert default_system() == default_system(f"{Qwen_Qwen_2_5_Max.url}/") == own
    assert default_system("someone/else") == ""
    monkeypatch.setenv("QWEN_GRADIO_SPACE", "someone/from-the-environment")
    assert default_system() == ""


def test_what_registries_pass_along_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "qwen_gradio")
    Qwen_Qwen_2_5_Max.create_async_generator(None, MESSAGES, stream=True, user="me")
    assert "stream, user" in caplog.text


def test_a_stream_that_is_never_read_asks_nothing_and_warns_of_nothing() -> None:
    stream = Qwen_Qwen_2_5_Max.create_async_generator(None, MESSAGES)
    assert ": new," in repr(stream)


def test_session_hashes_are_new_and_of_12_hex_digits() -> None:
    hashes = {generate_session_hash() for _ in range(1000)}
    assert len(hashes) == 1000
    assert all(re.fullmatch("[0-9a-f]{12}", session_hash) for session_hash in hashes)


@pytest.mark.usefixtures("server")
def test_importing_a_provider_loads_nothing_slow() -> None:
    code = "import sys; from qwen_gradio import Qwen_Qwen_2_5_Max; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    slow = {"anyio.abc", "asyncio", "gradio_client", "httpx", "ssl", "tenacity"}
    assert slow & set(done.stdout.split()) == set()


def test_a_providers_endpoint_follows_from_its_url() -> None:
    class Other(Qwen_Qwen_2_5_Max):
        url = "https://owner-name.hf.space"

    class Older(Other):
        url = "https://owner-older.hf.space"
        api_endpoint = url + "/queue/join"

    assert Other.api_endpoint == "https://owner-name.hf.space/gradio_api/queue/join?"
    assert Older.api_endpoint == "https://owner-older.hf.space/queue/join"


def test_the_providers_are_known_by_name() -> None:
    providers = qwen_gradio.providers()
    assert list(providers) == [
        "Qwen_Qwen_2_5_Max",
        "Qwen_Qwen_3",
        "Qwen_Qwen_3_VL",
        "Qwen_Qwen_2_5",
        "Qwen_Qwen_2_72B",
    ]
    for name, provider in providers.items():
        assert provider is getattr(qwen_gradio, name)
        assert provider.url.startswith("https://qwen-qwen")
        assert all(provider.get_model(model) for model in provider.models)


def test_every_public_name_can_be_imported() -> None:
    for name in qwen_gradio.__all__:
        value = getattr(qwen_gradio, name)
        assert name == "Messages" or value.__name__ == name  # a type alias has another name
    with pytest.raises(AttributeError):
        qwen_gradio.nothing  # noqa: B018


@pytest.mark.parametrize("model", [None, "", "auto"])
def test_where_no_model_is_named_the_space_that_runs_is_asked(model: str | None) -> None:
    assert provider_of(model) is Qwen_Qwen_3


def test_the_models_input_of_another_app_is_left_as_it_is() -> None:
    def options(model: str | None, space: str | None) -> Any:
        stream = Qwen_Qwen_3.create_async_generator(model, MESSAGES, space=space)
        return stream._question.prompt.options, bool(stream._question.prompt.reasoning_tags)

    chosen = {"model": "qwen3-235b-a22b"}
    assert options(None, None) == (chosen, True)
    assert options("qwen3-235b-a22b", "a/copy") == (chosen, True)
    assert options(None, "another/app") == ({}, False)
