"""g4f asks a real Space through its clients and its HTTP API."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import g4f
import openai
import pytest
from g4f import debug, models
from g4f.client import AsyncClient, Client
from g4f.cookies import set_cookies_dir
from g4f.errors import BadRequestError
from g4f.Provider import ProviderUtils, RetryProvider
from g4f.providers.base_provider import AsyncGeneratorProvider, ProviderModelMixin
from g4f.providers.response import Reasoning

import qwen_gradio
from qwen_gradio import Qwen_Qwen_2_5_Max, errors
from qwen_gradio.registries import g4f as registry

from ..support.chat_api import (
    assert_closing_stops,
    assert_it_answers,
    assert_it_streams,
    atexts,
    texts,
    whole,
)
from ..support.samples import DATA_URL, PNG
from ..support.servers import (
    NOBODY,
    PATIENCE,
    ScriptedSpace,
    Zoo,
    ZooSpace,
    script,
    stopped,
    tag_of,
    uvicorn_at,
)

pytestmark = pytest.mark.anyio

NAME = "Qwen_Qwen_2_5_Max"


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory for g4f's files, with the list of providers that it would otherwise fetch."""
    home = tmp_path_factory.mktemp("g4f")
    known = home / ".models" / datetime.date.today().isoformat() / "providers.json"
    known.parent.mkdir(parents=True)
    known.write_text(
        json.dumps({"providers": {"default": {"baseUrl": NOBODY}}, "defaultModels": {}})
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("G4F_CONFIG_DIR", str(home))
        patch.setenv("G4F_CACHE_DIR", str(home))
        patch.setattr(debug, "version_check", False)
        # In a running loop, the blocking client would change asyncio for all later tests of this
        # process, so that asyncio.run no longer closes its loop and the streams that are left.
        patch.setattr("g4f.providers.asyncio.has_nest_asyncio", False)
        set_cookies_dir(str(home / "cookies"))
        yield home


@pytest.fixture(params=["unregistered", "registered"])
def provider(request: pytest.FixtureRequest) -> Any:
    """The class itself, without registration, and the name under which it is registered."""
    if request.param == "unregistered":
        return Qwen_Qwen_2_5_Max
    registry.register()
    return NAME


on_registered = pytest.mark.parametrize("provider", ["registered"], indirect=True)
"""For what takes seconds: g4f creates the stream of either in the same way."""


def ask(space: ScriptedSpace, provider: Any, message: dict[str, Any], **options: Any) -> Any:
    client = Client(provider=provider)
    return client.chat.completions.create([message], "", space=space.url, **options)


def aask(space: ScriptedSpace, provider: Any, message: dict[str, Any], **options: Any) -> Any:
    client = AsyncClient(provider=provider)
    return client.chat.completions.create([message], "", space=space.url, **options)


async def test_the_async_client_gets_complete_replies(
    scripted: ScriptedSpace, provider: Any
) -> None:
    assert whole(await aask(scripted, provider, script(say=["Hello", ", ", "world"]))) == (
        "Hello, world"
    )


async def test_the_async_client_gets_fragments_one_by_one(
    scripted: ScriptedSpace, provider: Any
) -> None:
    question = script(say=["Hello", ", ", "world"], every=0.1)
    chunks = aask(scripted, provider, question, stream=True)
    assert await atexts(chunks) == ["Hello", ", ", "world"]


def test_the_client_gets_complete_replies(scripted: ScriptedSpace, provider: Any) -> None:
    assert whole(ask(scripted, provider, script(say=["Hello", ", ", "world"]))) == "Hello, world"


def test_the_client_gets_fragments_one_by_one(scripted: ScriptedSpace, provider: Any) -> None:
    question = script(say=["Hello", ", ", "world"], every=0.1)
    assert texts(ask(scripted, provider, question, stream=True)) == ["Hello", ", ", "world"]


def test_a_complete_reply_is_the_final_text_of_the_page(drawing: Zoo) -> None:
    client = Client(provider=registry.Qwen_Qwen_2_5_Max)
    question: Any = {"role": "user", "content": "?"}
    url = drawing.url_of("chatbot-typo")
    completion = client.chat.completions.create([question], "", space=url, stream=False)
    assert whole(completion) == "Paris is in France. It is large."


@pytest.mark.parametrize("model", ["", "auto", "qwen-2-5-max", "qwen-2.5-max", "qwen-qwen2-5-max"])
def test_models_are_known_by_each_of_their_names(
    scripted: ScriptedSpace, provider: Any, model: str
) -> None:
    client = Client(provider=provider)
    reply = client.chat.completions.create([script(say=["x"])], model, space=scripted.url)
    assert whole(reply) == "x"


def test_an_unknown_model_is_an_error(scripted: ScriptedSpace) -> None:
    for provider, expected in (
        (Qwen_Qwen_2_5_Max, errors.ModelNotFoundError),
        (registry.Qwen_Qwen_2_5_Max, g4f.errors.ModelNotFoundError),
    ):
        with pytest.raises(expected, match="no model 'nope'"):
            Client(provider=provider).chat.completions.create([script()], "nope", space=NOBODY)


async def test_closing_an_async_stream_early_stops_the_space(
    scripted: ScriptedSpace, provider: Any
) -> None:
    question = script(say=["x"], finish="hang")
    async for chunk in aask(scripted, provider, question, stream=True):
        assert chunk.choices[0].delta.content == "x"
        break
    await stopped(scripted, question)


def test_closing_a_stream_early_stops_the_space(scripted: ScriptedSpace, provider: Any) -> None:
    question = script(say=["x"], finish="hang")
    for chunk in ask(scripted, provider, question, stream=True):
        assert chunk.choices[0].delta.content == "x"
        break
    scripted.wait_for("stopped", tag_of(question))


async def test_stop_sequences_end_the_reply_and_stop_the_space(
    scripted: ScriptedSpace, provider: Any
) -> None:
    question = script(say=["one ", "END", " two"], every=0.1, finish="hang")
    chunks = aask(scripted, provider, question, stream=True, stop=["END"])
    assert "".join(await atexts(chunks)) == "one "
    await stopped(scripted, question)


@on_registered
@pytest.mark.parametrize("stream", [pytest.param(False, marks=pytest.mark.slow), True])
async def test_timeout_limits_the_complete_reply(
    scripted: ScriptedSpace, provider: Any, stream: bool
) -> None:
    question = script(say=list("abcdefgh"), every=0.2, finish="hang")

    async def read() -> None:
        reply = aask(scripted, provider, question, stream=stream, timeout=3)
        await (atexts(reply) if stream else reply)

    with pytest.raises(TimeoutError):
        await read()
    await stopped(scripted, question)


@pytest.mark.slow
@on_registered
async def test_stream_timeout_limits_each_fragment(scripted: ScriptedSpace, provider: Any) -> None:
    slow = script(say=list("abcdefgh"), every=0.2)
    chunks = aask(scripted, provider, slow, stream=True, stream_timeout=PATIENCE)
    assert await atexts(chunks) == list("abcdefgh")
    question = script(say=["x"], finish="hang")
    with pytest.raises(TimeoutError):
        await atexts(aask(scripted, provider, question, stream=True, stream_timeout=3))
    await stopped(scripted, question)


@pytest.mark.slow
@on_registered
def test_timeouts_apply_to_the_blocking_client(scripted: ScriptedSpace, provider: Any) -> None:
    for option in ({"timeout": 3}, {"stream_timeout": 3}):
        question = script(say=["x"], finish="hang")
        with pytest.raises(TimeoutError):
            ask(scripted, provider, question, **option)
        scripted.wait_for("stopped", tag_of(question))


def test_registered_providers_are_of_g4fs_classes() -> None:
    for cls in registry.Registered.__subclasses__():
        assert issubclass(cls, AsyncGeneratorProvider)
        assert issubclass(cls, ProviderModelMixin)
        assert issubclass(cls, getattr(qwen_gradio, cls.__name__))
        ours = getattr(qwen_gradio, cls.__name__)
        assert cls.params == ours.params
        assert cls.get_parameters() == ours.get_parameters()
        assert cls.get_models() == ours.models
        assert (cls.get_dict(), cls.supports_message_history) == (ours.get_dict(), False)


HI = {"role": "user", "content": "hi"}


async def test_reasoning_comes_as_g4fs_before_the_text(thinking: ZooSpace) -> None:
    pieces = [
        piece
        async for piece in registry.Qwen_Qwen_3.create_async_generator(
            "qwen-3-8b", [HI], space=thinking.url, api_name="reply"
        )
    ]
    assert [str(piece) for piece in pieces[:2]] == ["Let me", " think."]
    assert [isinstance(piece, Reasoning) for piece in pieces] == [True] * 2 + [False] * (
        len(pieces) - 2
    )
    assert json.loads("".join(map(str, pieces[2:]))) == {"message": "hi"}


def test_the_client_has_the_reasoning(thinking: ZooSpace) -> None:
    client = Client(provider=registry.Qwen_Qwen_3)
    message = client.chat.completions.create([HI], "", space=thinking.url).choices[0].message
    assert message.reasoning == "Let me think."
    assert json.loads(message.content) == {"message": "hi"}


async def test_the_async_client_has_the_reasoning(thinking: ZooSpace) -> None:
    chunks = AsyncClient(provider=registry.Qwen_Qwen_3).chat.completions.create(
        [HI], "qwen-3-32b", space=thinking.url, stream=True
    )
    deltas = [chunk.choices[0].delta async for chunk in chunks]
    assert [getattr(delta, "reasoning", None) for delta in deltas[:2]] == ["Let me", " think."]


FORMS: dict[str, dict[str, Any]] = {
    "image": {"image": PNG},
    "data URI": {"media": [(DATA_URL, "red.png")]},
    "bytes": {"media": [(PNG, "red.png")]},
    "images": {"images": [PNG]},
}


@pytest.mark.parametrize("form", [*FORMS, "path", "open file"])
def test_a_picture_arrives(seeing: str, provider: Any, form: str, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(PNG)
    with path.open("rb") as opened:
        given = FORMS.get(form) or {"media": [(path if form == "path" else opened, "red.png")]}
        completion = Client(provider=provider).chat.completions.create(
            [{"role": "user", "content": "what"}], "", space=seeing, **given
        )
    assert whole(completion) == "what image 3x2"


@pytest.mark.parametrize(
    ("media", "complaint"),
    [
        (["/etc/hostname", "x.png"], r"media\[0\] must be a data: or an https: URL"),
        (["http://127.0.0.1/x", None], r"media\[0\] must be a data: or an https: URL"),
        ([b"", "x.png"], r"media\[0\] is empty"),
        ([3, "x.png"], r"media\[0\] is not a file, but int"),
    ],
)
def test_media_that_cannot_be_sent_is_rejected(provider: Any, media: Any, complaint: str) -> None:
    expected = errors.InvalidMessagesError if provider is not NAME else BadRequestError
    with pytest.raises(expected, match=complaint):
        Client(provider=provider).chat.completions.create(
            [script()], "", space=NOBODY, media=[media]
        )


@on_registered
def test_a_reply_ends_with_links_to_its_files(drawing: Zoo, provider: Any) -> None:
    asked: Any = {"model": "", "space": drawing.url_of("pictures-mixed")}
    asked["messages"] = [{"role": "user", "content": "?"}]
    client = Client(provider=provider)
    text = whole(client.chat.completions.create(**asked))
    assert text.startswith("Here it is.\n\nDone.\n\n![qwen-gradio-red.png](http")
    assert "".join(texts(client.chat.completions.create(**asked, stream=True))) == text


@on_registered
def test_no_tokens_at_most_is_no_error(scripted: ScriptedSpace, provider: Any) -> None:
    assert whole(ask(scripted, provider, script(say=["x"]), max_tokens=0)) == "x"


def test_registering_again_changes_nothing() -> None:
    registry.register()
    before = (list(g4f.Provider.ProviderLoader.names), list(models._all_models))
    registry.register()
    assert (list(g4f.Provider.ProviderLoader.names), list(models._all_models)) == before


def test_registered_names_resolve_wherever_g4f_looks(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.register()
    monkeypatch.setenv("QWEN_GRADIO_SPACE", scripted.url)
    assert ProviderUtils.convert[NAME] is registry.Qwen_Qwen_2_5_Max
    assert ProviderUtils.convert["qwen-qwen-2-5-max"] is registry.Qwen_Qwen_2_5_Max
    assert getattr(g4f.Provider, NAME) is registry.Qwen_Qwen_2_5_Max
    for model in ("qwen-2-5-max", "qwen-2.5-max"):
        assert model in models.ModelUtils.convert
        assert model in models.Model.__all__()
        assert model in g4f.Provider.AnyProvider.get_models()
        reply = Client().chat.completions.create([script(say=["by model"])], model)
        assert whole(reply) == "by model"
        assert g4f.ChatCompletion.create(model, [script(say=["old way"])]) == "old way"


def test_every_provider_is_registered_with_its_models(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = models.__models__["qwen-3-32b"]
    registry.register()
    monkeypatch.setenv("QWEN_GRADIO_SPACE", scripted.url)
    for name, ours in qwen_gradio.providers().items():
        assert issubclass(ProviderUtils.convert[name], ours)
        reply = Client(provider=name).chat.completions.create([script(say=["x"])], ours.models[-1])
        assert whole(reply) == "x"
    reply = Client().chat.completions.create([script(say=["by model"])], "qwen-2.5-72b")
    assert whole(reply) == "by model"
    assert models.__models__["qwen-3-32b"] == before


async def test_a_retry_provider_finds_it_by_name(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.register()
    monkeypatch.setenv("QWEN_GRADIO_SPACE", scripted.url)

    class Broken(Qwen_Qwen_2_5_Max):
        @classmethod
        def create_async_generator(cls, *args: Any, **options: Any) -> Any:
            raise ConnectionError("broken")

    client = AsyncClient(provider=RetryProvider([Broken, NAME], shuffle=False))
    question = script(say=["a", "b"], every=0.1)
    chunks = client.chat.completions.create([question], "qwen-2-5-max", stream=True)
    assert await atexts(chunks) == ["a", "b"]
    # After a failure g4f keeps the streams in a cycle, which only the garbage collector frees.
    client = AsyncClient(provider=RetryProvider([NAME]))
    question = script(say=["x"], finish="hang")
    async for _ in client.chat.completions.create([question], "qwen-2-5-max", stream=True):
        break
    await stopped(scripted, question)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.AuthenticationError, g4f.errors.MissingAuthError),
        (errors.QueueFullError, g4f.errors.RateLimitError),
        (errors.RateLimitError, g4f.errors.RateLimitError),
        (errors.GenerationError, errors.GenerationError),
    ],
)
def test_errors_are_g4fs_own_where_it_has_them(
    error: type[Exception], expected: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise error("what happened")

    monkeypatch.setattr(Qwen_Qwen_2_5_Max, "create_async_generator", fail)
    with pytest.raises(expected, match="what happened"):
        Client(provider=registry.Qwen_Qwen_2_5_Max).chat.completions.create([script()], "")


@pytest.mark.parametrize(
    ("given", "sent"),
    [("hf_token", "hf_token"), ("g4f_key", None), ({NAME: "hf_x", "Other": "y"}, "hf_x")],
)
def test_only_a_key_for_the_provider_goes_to_the_space(
    given: Any, sent: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def look(*args: Any, **options: Any) -> None:
        seen.append(options["api_key"])
        raise errors.GenerationError("that is all")

    monkeypatch.setattr(Qwen_Qwen_2_5_Max, "create_async_generator", look)
    client = Client(provider=registry.Qwen_Qwen_2_5_Max, api_key=given)
    with pytest.raises(errors.GenerationError):
        client.chat.completions.create([script()], "")
    assert seen == [sent]


@pytest.fixture(scope="module")
def http_api(scripted: ScriptedSpace, home: Path) -> Iterator[str]:
    """The URL of g4f's real HTTP API."""
    options = ["--bind", "127.0.0.1:0", "--no-gui", "--disable-pa-auto-download"]
    command = [sys.executable, "-m", registry.__name__, "api", *options, "--ignore-cookie-files"]
    environment = {"QWEN_GRADIO_SPACE": scripted.url, "PYTHONWARNINGS": "ignore"}
    with uvicorn_at(command, environment, home) as url:
        yield url


@pytest.fixture
def client(http_api: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{http_api}/v1", api_key="secret", max_retries=0) as client:
        yield client


@pytest.mark.slow
@pytest.mark.parametrize(
    "wanted",
    [
        {"model": "qwen-2-5-max"},
        {"model": "qwen-2.5-max"},
        {"model": "", "extra_body": {"provider": NAME}},
    ],
    ids=["model", "alias", "provider"],
)
def test_the_http_api_streams_to_the_openai_client(
    client: openai.OpenAI, wanted: dict[str, Any]
) -> None:
    assert_it_streams(client, **wanted)


@pytest.mark.slow
def test_the_http_api_also_gives_complete_replies(client: openai.OpenAI) -> None:
    assert_it_answers(client)


@pytest.mark.slow
def test_the_http_api_lists_the_models_and_the_provider(client: openai.OpenAI) -> None:
    listed = [model.id for model in client.models.list()]
    assert {"qwen-2-5-max", "qwen-2.5-max", NAME} <= set(listed)


@pytest.mark.slow
def test_closing_the_http_apis_stream_early_stops_the_space(
    client: openai.OpenAI, scripted: ScriptedSpace
) -> None:
    assert_closing_stops(client, scripted)


@pytest.mark.slow
def test_the_http_api_reports_errors_by_status(http_api: str) -> None:
    messages: Any = [script(say=["x"])]
    with openai.OpenAI(base_url=f"{http_api}/api/{NAME}", api_key="secret", max_retries=0) as api:
        with pytest.raises(openai.NotFoundError):
            api.chat.completions.create(model="nope", messages=messages)


async def test_clients_of_the_http_api_cannot_name_files(
    scripted: ScriptedSpace, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    for provider in registry.Registered.__subclasses__():
        asked = provider.create_async_generator(
            "", [script(say=["x"])], space=scripted.url, files=str(secret)
        )
        with pytest.raises(BadRequestError, match="files cannot be given"):
            await asked.__anext__()
