"""The options are the same in every place that takes them, and wrong ones are named at the call."""

from __future__ import annotations

import inspect
import math
import ssl
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import ConfigDict, SecretStr, ValidationError, validate_call
from typing_extensions import Unpack

import qwen_gradio
from qwen_gradio import (
    Chat,
    InvalidMessagesError,
    ModelNotFoundError,
    Provider,
    Qwen_Qwen_2_5_Max,
    Qwen_Qwen_3,
    batch,
    providers,
)
from qwen_gradio._access import Access
from qwen_gradio._options import (
    BatchOptions,
    Options,
    QuestionOptions,
    Sampling,
    require,
)
from qwen_gradio._reply import StreamStatus
from qwen_gradio.batch._asking import Asker, AskOptions
from qwen_gradio.batch.ray import QwenBatch
from qwen_gradio.registries.langchain import ChatQwenGradio
from qwen_gradio.registries.litellm import FOR_CALLERS

MESSAGES = [{"role": "user", "content": "hi"}]


NAMES: dict[str, Any] = {
    "Iterable": Iterable,
    "Mapping": Mapping,
    "StreamStatus": StreamStatus,
    "Unpack": Unpack,
    "ssl": ssl,
}
"""What annotations mention that their modules do not import, or only for type checkers."""


def hints_of(what: Any) -> dict[str, Any]:
    return get_type_hints(what, localns=NAMES)


OPTIONS = hints_of(Options)


SAMPLING = hints_of(Sampling)


SIGNATURE = inspect.signature(Provider.create_async_generator).parameters


def test_the_options_are_those_of_the_provider_interface() -> None:
    declared = hints_of(Provider.create_async_generator)
    options = hints_of(QuestionOptions)
    assert options.keys() - SAMPLING.keys() == SIGNATURE.keys() - {"model", "messages", "kwargs"}
    for name in options.keys() - SAMPLING.keys():
        assert options[name] == declared[name], name
    assert options.keys() - OPTIONS.keys() == {"files"}
    inputs = {name for provider in providers().values() for name in provider.optional_inputs}
    assert SAMPLING.keys() == inputs


@pytest.mark.parametrize(
    "place",
    [
        *(qwen_gradio.ask, qwen_gradio.stream, Chat.__init__, batch.run, batch.run_sync),
        *(batch.rows, QwenBatch.__init__),
    ],
    ids=lambda place: place.__qualname__,
)
def test_every_place_takes_every_option(place: Any) -> None:
    hints = hints_of(place)
    (taken,) = get_args(hints.pop("options"))
    files = {"files"} if place in (qwen_gradio.ask, qwen_gradio.stream) else set()
    expected = {n: hint for n, hint in hints_of(QuestionOptions).items() if n in files | {*OPTIONS}}
    assert (hints | hints_of(taken)).items() >= expected.items()
    assert hints_of(taken).keys().isdisjoint(hints)


def test_a_batch_documents_all_its_options() -> None:
    own = hints_of(AskOptions).keys() - hints_of(BatchOptions).keys()
    assert own == inspect.signature(Asker).parameters.keys() - {"options"}
    assert all(f":param {name}:" in (batch.run.__doc__ or "") for name in own)


def test_langchains_fields_are_the_options() -> None:
    secret = {
        "api_key": SecretStr | None,
        "oauth_token": SecretStr | None,
        "auth": tuple[str, SecretStr] | SecretStr | None,
    }
    fields = ChatQwenGradio.model_fields
    given = {"ssl_verify": bool | ssl.SSLContext}  # our modules do not import ssl
    for name, hint in (OPTIONS | given).items():
        assert fields[name].annotation == secret.get(name, hint), name
        default = None if name in SAMPLING else SIGNATURE[name].default
        default = "native" if name == "history" else default  # as in every front end
        assert fields[name].get_default(call_default_factory=True) == default, name


def test_what_callers_of_litellms_proxy_may_give_are_options() -> None:
    assert OPTIONS.keys() >= FOR_CALLERS


@pytest.mark.parametrize(
    "function", [qwen_gradio.ask, qwen_gradio.stream, Provider.create_async_generator, Chat.ask]
)
def test_tools_that_read_annotations_take_our_functions(function: Callable[..., Any]) -> None:
    assert get_type_hints(function)


def test_pydantic_validates_calls_of_ask() -> None:
    config = ConfigDict(arbitrary_types_allowed=True)
    ask: Any = validate_call(config=config)(qwen_gradio.ask)
    with pytest.raises(ValidationError, match="timeout"):
        ask("?", timeout="soon")


WRONG: dict[str, list[Any]] = {
    "model": [7, b"qwen-2-5-max", ["qwen-2-5-max"], Path("qwen-2-5-max"), SecretStr("x")],
    "proxy": [
        *(7, b"http://proxy", Path("proxy"), SecretStr("http://proxy"), True),
        *("proxy:8080", "ftp://proxy", "http://", "http://proxy:port", "http://[::1", "socks4://p"),
    ],
    "space": [7, b"a/b", Path("a/b"), ["a/b"], SecretStr("a/b")],
    "api_key": [7, b"hf_x", Path("hf_x"), ["hf_x"], True],
    "oauth_token": [7, b"hf_x", Path("hf_x"), ["hf_x"], True],
    "auth": [7, "ada", b"ada:x", ("ada",), ("ada", "x", "y"), ("ada", 7), {"ada": "x"}, True],
    "timeout": ["10", b"10", [10], True, math.nan, -1, Decimal(10)],
    "stream_timeout": ["10", b"10", [10], True, math.nan, -1, -math.inf],
    "max_retries": ["2", None, True, False, math.nan, -1, [2]],
    "history": ["mine", None, True, 7, ["flat"], b"flat"],
    "on_status": ["print", 7, [print]],
    "on_reasoning": ["print", 7, [print]],
    "inputs": [[("n", 1)], "n=1", 7, {"n"}, [], ""],
    "headers": [[("X-Key", "x")], "X-Key: x", 7, [], {"X-Key": b"x"}],
    "api_name": [1.0, True, b"chat", ["chat"], Path("chat")],
    "ssl_verify": [None, 0, 1, "no", Path("cert.pem")],
    "reasoning_tags": [
        *("<think>", 7, [7], ["<think>"], [("<think>",)], [("<think>", "")], [(7, 8)]),
        *(["<>"], "", {("<a>", "</a>"): 1}, iter([("<a>", "</a>")])),
    ],
    "temperature": ["0.5", True, [0.5], b"1", math.nan, -1],
    "max_tokens": ["10", 10.5, True, 0, -1],
    "top_p": ["0.5", True],
    "seed": ["1", 1.5, True],
    "top_k": ["1", 1.5, True],
    "min_p": ["0.5", True, -0.1],
    "presence_penalty": ["0.5", True],
    "frequency_penalty": ["0.5", True],
    "enable_thinking": ["no", 0],
    "thinking_budget": ["8", 8.5, 0],
    "files": [7, {"a": b"x"}, [7], [None], True],
}


def test_every_option_is_given_wrong_values_here() -> None:
    assert WRONG.keys() == hints_of(QuestionOptions).keys() | {"model"}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_is_named_at_the_call(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"\b{name}\b") as caught:
        Qwen_Qwen_3.create_async_generator(**{"model": None, "messages": MESSAGES, name: value})
    assert not isinstance(caught.value, InvalidMessagesError) or name == "history"


def test_a_number_that_json_cannot_hold_is_named() -> None:
    with pytest.raises(InvalidMessagesError, match=r"^temperature: .* not JSON compliant"):
        qwen_gradio.stream("?", temperature=math.inf)


PLACES: list[Callable[..., object]] = [
    lambda **options: qwen_gradio.ask("?", **options),
    lambda **options: qwen_gradio.stream("?", **options),
    Chat,
    lambda **options: batch.run_sync(["?"], "never written", **options),
    QwenBatch,
]


IDS = ["ask", "stream", "Chat", "run_sync", "QwenBatch"]


@pytest.mark.parametrize("take", PLACES, ids=IDS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("system", value) for value in (7, b"Be brief.", ["Be brief."])),
        *(("provider", value) for value in (7, "Qwen", int, Qwen_Qwen_2_5_Max())),
        *(("model", value) for value in (7, b"qwen-2-5-max")),
        *(("space", value) for value in (Path("a/b"), 7)),
        *(("api_key", value) for value in (b"hf_x", Path("hf_x"))),
        *(("timeout", value) for value in ("10", True)),
        *(("max_retries", value) for value in (math.nan, -1, "2", True, None)),
        *(("history", value) for value in ("mine", 7)),
        *(("inputs", value) for value in ([1], "n=1")),
        ("auth", "ada"),
        ("on_status", "print"),
    ],
)
def test_a_wrong_value_is_named_wherever_it_is_given(
    take: Callable[..., object], name: str, value: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((TypeError, ValueError), match=rf"\b{name}\b"):
        take(**{name: value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("concurrency", value) for value in ("8", 0, -1, True, 1.5, math.nan, None)),
        *(("give_up_after", value) for value in ("300", -1, math.nan, True)),
        *(("retry_errors", value) for value in ("no", 1, None)),
        *(("keep", value) for value in ("no", 1)),
        *(("progress", value) for value in ("no", 1, None)),
        *(("prompts", value) for value in (7, None, {"prompt": "?"})),
        *(("out", value) for value in (7, b"out", ["out"])),
    ],
)
def test_a_batchs_own_wrong_values_are_named(name: str, value: Any, tmp_path: Path) -> None:
    given = {"prompts": ["?"], "out": tmp_path / "out.jsonl", name: value}
    with pytest.raises((TypeError, ValueError), match=rf"\b{name}\b"):
        batch.run_sync(**given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_key", 7),
        ("timeout", "ten"),
        ("max_retries", -1),
        ("inputs", [1]),
        ("headers", "X"),
        ("auth", "ada"),
        ("history", "mine"),
    ],
)
def test_langchain_names_a_wrong_value_in_a_field_and_in_a_call(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"\b{name}\b"):
        ChatQwenGradio(**{name: value}).invoke("hi")
    with pytest.raises((TypeError, ValueError), match=rf"\b{name}\b"):
        ChatQwenGradio().invoke("hi", **{name: value})


def test_no_message_shows_a_secret() -> None:
    wrong: list[tuple[str, Any]] = [
        ("api_key", b"secret"),
        ("auth", ("ada", b"secret")),
        ("auth", "secret"),
    ]
    for name, value in wrong:
        with pytest.raises((TypeError, ValueError), match=name) as caught:
            Qwen_Qwen_2_5_Max.create_async_generator(None, MESSAGES, **{name: value})
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", Fraction(1, 2)),
        ("timeout", math.inf),
        ("stream_timeout", None),
        ("max_retries", math.inf),
        ("api_name", 3),
        ("on_status", None),
        ("headers", MappingProxyType({"X-Key": "x"})),
        ("temperature", 1),
    ],
)
def test_what_is_reasonable_is_accepted(name: str, value: Any) -> None:
    Qwen_Qwen_2_5_Max.create_async_generator(None, MESSAGES, **{name: value})


def test_a_name_without_a_rule_may_have_any_value() -> None:
    require(something=object())


class Hidden:
    """A secret of no library that is known here."""

    def get_secret_value(self) -> str:
        return "hf_secret"


@pytest.mark.parametrize("secret", [SecretStr("hf_secret"), Hidden()])
def test_a_secret_is_accepted_for_its_value(secret: Any) -> None:
    access = Access.parse("a/b", secret, auth=("ada", secret), oauth_token=secret)
    assert (access.api_key, access.oauth_token) == ("hf_secret", "hf_secret")
    assert access.auth == ("ada", "hf_secret")


@pytest.mark.parametrize("auth", ["ada:x:y", ("ada", "x:y"), ["ada", "x:y"], SecretStr("ada:x:y")])
def test_auth_is_a_pair_or_a_text_that_is_split_at_its_first_colon(auth: Any) -> None:
    assert Access.parse("a/b", auth=auth).auth == ("ada", "x:y")


def test_an_empty_proxy_is_none() -> None:
    assert Access.parse("a/b", proxy="") == Access.parse("a/b")


@pytest.mark.parametrize("take", PLACES, ids=IDS)
def test_a_provider_may_be_given_by_its_name(take: Callable[..., object]) -> None:
    with pytest.raises(ModelNotFoundError, match="Qwen_Qwen_3 has no model 'gpt-5'"):
        take(provider="Qwen_Qwen_3", model="gpt-5")
    with pytest.raises(ValueError, match=r"'Qwen-3'; there are Qwen_Qwen_2_5_Max, Qwen_Qwen_3"):
        take(provider="Qwen-3")


@pytest.mark.parametrize("take", PLACES, ids=IDS)
def test_without_a_provider_the_models_own_is_asked(take: Callable[..., object]) -> None:
    with pytest.raises(ModelNotFoundError, match=r"no model 'gpt-5'.*qwen-2-5-max.*qwen3-8b"):
        take(model="gpt-5")
    with pytest.raises(ValueError, match="timeout"):  # only Qwen3's knows the other option
        take(model="qwen-3-32b", thinking_budget=8, timeout=-1)
