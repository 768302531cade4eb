"""The provider interface that registries call."""

from __future__ import annotations

import inspect
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ._access import Access, Auth, Secret
from ._files.reading import Files, read_files, read_media
from ._messages import History, Messages, prompt_from
from ._options import RULES, ReasoningTags, require, to_pairs
from ._reply import StreamStatus
from ._stream import FragmentStream
from ._worker import Question
from .errors import InvalidMessagesError, ModelNotFoundError

if TYPE_CHECKING:
    from ssl import SSLContext
else:
    SSLContext = Any  # slow to import; a caller who passes one has imported it

logger = logging.getLogger(__package__)

JOIN = "/gradio_api/queue/join?"
"""The path of Gradio's queue, for registries that display an endpoint."""
REQUEST_TIMEOUT = 120.0
"""Maximum seconds for the Space to answer a request."""
NOT_TEXT = ("image", "audio", "tools", "functions")
"""Options that registries pass and a text chat does not support. Rejected unless empty."""


class _Params:
    """The class attribute `params`: a provider's signature as text, for registries."""

    def __get__(self, instance: object, cls: type[Provider]) -> str:
        parameters = ", ".join(map(str, cls.get_parameters().values()))
        return f"{cls.__name__} supports: ({parameters})"


class Provider:
    """A model behind a Gradio Space. Subclasses only set attributes; they are not instantiated."""

    label: ClassVar[str]
    url: ClassVar[str]
    api_endpoint: ClassVar[str]
    """Derived from `url`, unless a subclass has its own."""
    default_model: ClassVar[str]
    model_aliases: ClassVar[dict[str, str]] = {}
    models: ClassVar[list[str]] = []
    default_system: ClassVar[str] = "You are a helpful assistant."
    model_inputs: ClassVar[dict[str, dict[str, Any]]] = {}
    """The inputs that select each model, on Spaces with several models."""
    optional_inputs: ClassVar[tuple[str, ...]] = (
        *("temperature", "max_tokens", "top_p", "top_k", "min_p", "seed"),
        *("presence_penalty", "frequency_penalty", "enable_thinking"),
    )
    """Options passed to Spaces that have an input for them."""
    no_think: ClassVar[str] = ""
    """The suffix of a question that turns thinking off."""
    reasoning_tags: ClassVar[bool] = False
    """Whether text between tags such as `<think>` is reasoning by default."""

    working: ClassVar[bool] = True
    supports_stream: ClassVar[bool] = True
    supports_system_message: ClassVar[bool] = True
    supports_message_history: ClassVar[bool] = False
    # For g4f, if the class is passed to it unregistered:
    needs_auth: ClassVar[bool] = False
    active_by_default: ClassVar[bool] = True
    use_stream_timeout: ClassVar[bool] = True
    live: ClassVar[int] = 0
    params = _Params()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "url" in vars(cls) and "api_endpoint" not in vars(cls):
            cls.api_endpoint = cls.url + JOIN

    @classmethod
    def create_async_generator(
        cls,
        model: str | None,
        messages: Messages,
        proxy: str | None = None,
        *,
        space: str | None = None,
        api_key: str | Secret | None = None,
        auth: Auth | None = None,
        timeout: float | None = None,
        stream_timeout: float | None = 300.0,
        max_retries: float = 2,
        history: History = "flat",
        on_status: Callable[[StreamStatus], object] | None = None,
        inputs: Mapping[str, Any] | None = None,
        api_name: str | int | None = None,
        on_reasoning: Callable[[str], object] | None = None,
        headers: Mapping[str, str] | None = None,
        oauth_token: str | Secret | None = None,
        ssl_verify: bool | SSLContext = True,
        reasoning_tags: ReasoningTags | None = None,
        files: Files | None = None,
        **kwargs: Any,
    ) -> FragmentStream:
        """Ask the model, and stream its reply.

        The stream can be iterated at once, or awaited first.

        :param model: one of `models`; `default_model` if it is None or empty.
        :param messages: the chat so far: dicts in OpenAI's format, message objects of OpenAI's,
            LangChain's or your own, or tuples of role and text. User messages may contain images,
            audio and files, as `data:` or https URLs. Tool calls are rejected. A participant's
            `name` is not sent.
        :param proxy: URL of the proxy for every request; by default, the proxies set in the
            environment.
        :param space: the Space, as `owner/name` or URL; by default `$QWEN_GRADIO_SPACE`, else
            `url`. Without a system message, the text in the page's system box is sent; if that box
            is empty on `url`, `default_system`.
        :param api_key: Hugging Face token, as text or as pydantic's `SecretStr`, sent to the Space
            and, if the Space is there, to the Hub. No other token is ever sent.
        :param auth: (user, password) or "user:password", for a Gradio app with a login.
        :param timeout: seconds for the complete reply.
        :param stream_timeout: maximum seconds between two updates, and until the first. The
            heartbeats of a Space that has queued the question are updates. With None, a connection
            that is silent for 120 seconds still counts as lost.
        :param max_retries: how often to ask again if the Space could not accept the request;
            `math.inf` sets no limit.
        :param history: "flat" sends the whole chat as one query, which is what Spaces expect.
            "native" puts earlier turns into the Space's own history input. A `gr.api` function
            that takes a list, such as `messages`, always gets all turns.
        :param on_status: called in the event loop with each `StreamStatus` as it is read; awaited
            if it is an async function.
        :param inputs: values for other inputs of the Space, by name or label, or for the fields of
            a form. A choice may be given by the name on the page. A value that the input does not
            accept raises `SpaceInterfaceError` before anything is sent.
        :param api_name: the name or number of the endpoint to ask, if the Space has several.
        :param on_reasoning: called like `on_status` with each piece of reasoning. Reasoning is not
            part of the reply.
        :param headers: additional headers for every request to the Space.
        :param oauth_token: Hugging Face token that lets the Space's code act for you. It is sent
            only to endpoints that take a `gr.OAuthToken`.
        :param ssl_verify: an `ssl.SSLContext` that trusts a self-signed certificate. False trusts
            every server, which is dangerous: anyone between you and the Space, or the Hub, can read
            and change everything, tokens included.
        :param reasoning_tags: True treats text between `<think>` and `</think>` or similar tags,
            before the answer, as reasoning; False does not. You can also pass your own pairs of
            tags. By default, the provider decides. Tags declared by the Space's page always count.
        :param files: more files for the last user message than those in it: a path, bytes, a file
            opened in binary mode, a `data:` or https URL, or a list of these, of up to 20 MB each.
            They are read now, except https URLs, which the Space reads. A Space that does not take
            them raises `SpaceInterfaceError` before anything is sent.
        :param kwargs: other options that registries pass. Those in `optional_inputs`, such as
            `temperature` and `max_tokens`, are passed to Spaces that have an input for them,
            clamped to its bounds; a change is logged. Others are only logged. If the Space has no
            input for `enable_thinking=False`, Qwen3's models are asked with `/no_think`.
        :raises InvalidMessagesError: at once, if the messages, `files` or `inputs` cannot be sent.
        :raises ModelNotFoundError: at once, if there is no such model.
        :raises SpaceUnavailableError: at once, if `space` is not the address of a Space.
        :raises AuthenticationError: at once, if `api_key` or `oauth_token` cannot be a token.
        :raises TypeError, ValueError: at once, if another parameter is wrong.
        """
        require(**{name: value for name, value in locals().items() if name in RULES})
        attached = () if files is None else read_files(files)
        for form in ("media", "images"):  # g4f's names
            attached += read_media(form, kwargs.pop(form, None) or ())
        name = cls.get_model(model)
        if not_text := [key for key in NOT_TEXT if kwargs.get(key)]:
            raise InvalidMessagesError(f"Only text can be sent, not {', '.join(not_text)}")
        given = {key: value for key, value in kwargs.items() if value is not None}
        options = {key: given.pop(key) for key in cls.optional_inputs if key in given}
        require(**options)
        _require_json(inputs=inputs or {}, **options)
        if given:
            logger.debug("%s ignores %s", cls.__name__, ", ".join(sorted(given)))
        prompt = prompt_from(messages, history, attached)
        address = space or os.environ.get("QWEN_GRADIO_SPACE") or cls.url
        access = Access.parse(address, api_key, proxy, auth, headers, oauth_token, ssl_verify)
        is_own = access.space == cls.url
        is_model = is_own or bool(model)  # in another app, these inputs may mean other models
        if reasoning_tags is None:
            reasoning_tags = is_model and cls.reasoning_tags
        prompt = replace(
            prompt,
            inputs=inputs or {},
            options=options | cls.model_inputs.get(name, {}) if is_model else options,
            api_name=api_name,
            reasoning_tags=to_pairs(reasoning_tags),
            no_think=cls.no_think if is_model else "",
            # Another app is asked with the text in its system box, even if that is empty.
            default_system=cls.default_system if is_own else "",
        )
        request_timeout = REQUEST_TIMEOUT if stream_timeout is None else stream_timeout
        question = Question(
            prompt,
            access,
            timeout,
            stream_timeout,
            min(request_timeout, REQUEST_TIMEOUT),
            max_retries,
            model=name if is_model else None,
            if_unavailable=cls._name_others() if is_own else "",
        )
        return FragmentStream(question, on_status=on_status, on_reasoning=on_reasoning)

    @classmethod
    def _name_others(cls) -> str:
        """Return a sentence that names models on other Spaces."""
        others = [p.models[0] for p in Provider.__subclasses__() if p.models and p.url != cls.url]
        return f"Models on other Spaces are {', '.join(others)}" if others else ""

    @classmethod
    def get_model(cls, model: str | None = None, **kwargs: Any) -> str:
        """Return the full name of a model or alias; None, "" and "auto" are the default model.

        Names as on the Hub, such as `Qwen/Qwen2.5-7B-Instruct`, and upper case are also accepted.

        :raises ModelNotFoundError: if there is no such model. The message lists the models.
        """
        require(model=model)
        if not model or model == "auto":
            return cls.default_model
        names = {name: name for name in (cls.default_model, *cls.model_inputs)} | cls.model_aliases
        if model in names:
            return names[model]
        alike = {names[name] for name in names if _normalize(name) == _normalize(model)}
        if len(alike) != 1:
            raise ModelNotFoundError(
                f"{cls.__name__} has no model {model!r}; it has {', '.join(cls.models)}"
            )
        return alike.pop()

    @classmethod
    def get_models(cls, **kwargs: Any) -> list[str]:
        """Return the names of the models."""
        return cls.models

    @classmethod
    def get_parameters(cls, as_json: bool = False) -> dict[str, Any]:
        """Return the parameters of `create_async_generator` by name, or their defaults."""
        parameters = dict(inspect.signature(cls.create_async_generator).parameters)
        del parameters["kwargs"]
        if not as_json:
            return parameters
        return {
            name: None if parameter.default is parameter.empty else parameter.default
            for name, parameter in parameters.items()
        } | {"model": cls.default_model, "messages": []}

    @classmethod
    def get_parent(cls) -> str:
        """Return the name of the provider whose token is used: its own."""
        return cls.__name__

    @classmethod
    def get_dict(cls) -> dict[str, str]:
        """Return the provider's name, URL and label."""
        return {"name": cls.__name__, "url": cls.url, "label": cls.label}


def _normalize(model: str) -> str:
    """Normalize a model's name: `Qwen/Qwen2.5-7B-Instruct` and `qwen-2.5-7b` are `qwen2-5-7b`.

    `-Instruct` is kept from Qwen3 on, where it names another model.
    """
    name = re.sub(r"^(?:qwen[/-])?qwen-?(?=\d)", "qwen", model.lower().replace(".", "-"))
    name = name.removesuffix("-demo")
    return name.removesuffix("-instruct") if name.startswith("qwen2") else name


def _require_json(**given: Any) -> None:
    for name, value in given.items():
        if isinstance(value, Mapping) and not all(isinstance(key, str) for key in value):
            raise InvalidMessagesError(f"{name}: names must be text")
        try:
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidMessagesError(f"{name}: {type(error).__name__}: {error}") from None


def require_known(provider: type[Provider], options: Iterable[str]) -> None:
    """Reject `files`, which belong to one question, and options that the provider does not know.

    Registries may pass unknown options through; here they are typos.

    :raises TypeError: with their names.
    """
    known = {*provider.get_parameters(), *provider.optional_inputs} - {"files"}
    if unknown := set(options) - known:
        raise TypeError(f"Unknown option: {', '.join(sorted(unknown))}")
