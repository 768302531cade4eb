"""The provider interface that registries call."""

from __future__ import annotations

import inspect
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ._access import Access, Auth, Secret
from ._files.attachments import Attachment
from ._files.reading import Files, is_files, read_files, read_media
from ._messages import History, Messages, Prompt, prompt_from
from ._options import RULES, ReasoningTags, require, to_pairs
from ._reply import StreamStatus
from ._stream import FragmentStream
from ._worker import Question
from .errors import InvalidMessagesError, ModelNotFoundError

if TYPE_CHECKING:
    from ssl import SSLContext
else:
    SSLContext = Any  # it takes long to import, and whoever has one has imported it

logger = logging.getLogger(__package__)

JOIN = "/gradio_api/queue/join?"
"""Where Gradio accepts requests, for registries that show it. gradio_client reads it itself."""

REQUEST_TIMEOUT = 120.0
"""Seconds that the Space may take to answer a request, at most."""
NOT_TEXT = ("image", "audio", "tools", "functions")
"""What registries pass along, and would change the reply: rejected, unless it is empty."""


class _Params:
    """`params`, the class attribute in which registries look for a provider's signature."""

    def __get__(self, instance: object, cls: type[Provider]) -> str:
        parameters = ", ".join(map(str, cls.get_parameters().values()))
        return f"{cls.__name__} supports: ({parameters})"


class Provider:
    """A model behind a Gradio Space. Subclasses are tables of facts, used without an instance."""

    label: ClassVar[str]
    url: ClassVar[str]
    api_endpoint: ClassVar[str]
    """Derived from `url`, unless a subclass has its own."""
    default_model: ClassVar[str]
    model_aliases: ClassVar[dict[str, str]] = {}
    models: ClassVar[list[str]] = []
    default_system: ClassVar[str] = "You are a helpful assistant."
    model_inputs: ClassVar[dict[str, dict[str, Any]]] = {}
    """Values of the inputs that choose a model, on Spaces that serve several."""
    optional_inputs: ClassVar[tuple[str, ...]] = (
        *("temperature", "max_tokens", "top_p", "top_k", "min_p", "seed"),
        *("presence_penalty", "frequency_penalty", "enable_thinking"),
    )
    """Options that are given to a Space that has such inputs."""
    no_think: ClassVar[str] = ""
    """What a model takes at the end of a message for `enable_thinking=False`."""
    reasoning_tags: ClassVar[bool] = False
    """Whether the text between a model's tags is reasoning, unless a caller says otherwise."""

    working: ClassVar[bool] = True
    supports_stream: ClassVar[bool] = True
    supports_system_message: ClassVar[bool] = True
    supports_message_history: ClassVar[bool] = False
    # What g4f reads of a class that is given to it unregistered:
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
        """Ask the model, and read its reply as it is written.

        The stream can be iterated at once, or awaited first.

        :param model: one of `models`; `default_model` if it is None or empty.
        :param messages: the chat so far: dicts in OpenAI's format, message objects of OpenAI's,
            LangChain's or your own, or tuples of role and text. The user's may have images, audio
            and files, as `data:` or https URLs. Tool calls are rejected; a participant's `name` is
            not sent, as Spaces have no place for it.
        :param proxy: URL of the proxy for every request; else those in the environment are used.
        :param space: the Space, as `owner/name` or URL; else `$QWEN_GRADIO_SPACE`; else `url`.
            Without a system message, an app other than the one at `url` is asked with what its page
            shows in its system box, and that one with `default_system` if its box is empty.
        :param api_key: Hugging Face token, as text or as pydantic's `SecretStr`, sent to the Space
            and, if the Space is there, to the hub. None is sent unless given here.
        :param auth: user and password, for a Gradio app that asks for a login; a pair, or
            "user:password".
        :param timeout: seconds for the complete reply.
        :param stream_timeout: seconds that may pass without any update, the first one included.
            While the Space says that the question is queued, its heartbeats count as updates. If it
            is None, a connection that is silent for 120 seconds still counts as lost.
        :param max_retries: how often to ask again if the Space could not accept the request;
            `math.inf` sets no limit.
        :param history: "flat" sends the whole chat as one query, which is what Spaces expect;
            "native" hands earlier turns to the Space's own history input. A function of `gr.api`
            whose only input for a question is a list, such as `messages`, always takes all turns.
        :param on_status: called in the event loop with each `StreamStatus`, as it is read, and
            awaited if it is an async function.
        :param inputs: values for other inputs of the Space, by their names or labels, or for the
            fields of a form. A choice may be given by the name that the page shows. A value that
            the input does not accept raises `SpaceInterfaceError` before anything is sent.
        :param api_name: the name or number of the Space's endpoint, where several could be meant.
        :param on_reasoning: called likewise with each piece of what the model thinks before it
            answers, which is not part of the reply.
        :param headers: sent with every request to the Space, besides those that are sent anyway.
        :param oauth_token: Hugging Face token with which the Space's code may act for you. It is
            sent only to an endpoint that asks for one, as a `gr.OAuthToken`.
        :param ssl_verify: an `ssl.SSLContext` that trusts a self-signed certificate. False trusts
            every server, which is dangerous: whoever is on the way to the Space, and the hub, can
            read and change everything, tokens included.
        :param reasoning_tags: True takes what models write between `<think>` and `</think>` or
            similar tags, before they answer, out of the text: it is reasoning. Pairs of tags do so
            for others, and False for none. By default, it is what the provider has. Tags that the
            Space's page declares always count.
        :param files: what goes with the last user message, in addition to the media and files in
            it: a path, bytes, a file opened in binary mode, a `data:` or https URL, or a list of
            these. They are read now, and may have 20 MB each; an https URL is read by the Space.
            A Space that does not take one raises `SpaceInterfaceError` before anything is sent.
        :param kwargs: what registries pass along. `temperature`, `max_tokens`, `top_p` and what
            else is in `optional_inputs` are given to a Space that has such inputs, as the nearest
            value within their bounds, with a log line if that is another; everything else is only
            logged. For `enable_thinking=False`, Qwen3's models are also asked with `/no_think`
            where the Space has no such input.
        :raises InvalidMessagesError: at once, if the messages, `files` or `inputs` cannot be sent.
        :raises ModelNotFoundError: at once, if there is no such model.
        :raises SpaceUnavailableError: at once, if `space` is not the address of a Space.
        :raises AuthenticationError: at once, if `api_key` or `oauth_token` cannot be a token.
        :raises ValueError: at once, if a timeout or `max_retries` is negative or not a number,
            `auth` is a text without a colon, `proxy` is not the URL of one, or a header cannot be
            sent or contains a token.
        :raises TypeError: at once, if a parameter has a wrong type.
        """
        require(**{name: value for name, value in locals().items() if name in RULES})
        if files is not None and not is_files(files):
            raise TypeError("files must be a path, a URL, bytes, an open file, or a list of these")
        attached = () if files is None else read_files(files)
        for form in ("media", "images"):  # as g4f passes them
            attached += read_media(form, kwargs.pop(form, None) or ())
        prompt = cls._prompt(model, messages, history, inputs or {}, api_name, attached, kwargs)
        address = space or os.environ.get("QWEN_GRADIO_SPACE") or cls.url
        access = Access.parse(address, api_key, proxy, auth, headers, oauth_token, ssl_verify)
        is_own = access.space == cls.url
        if is_own or model:
            tags = cls.reasoning_tags if reasoning_tags is None else reasoning_tags
            name = cls.get_model(model)
            options = {**prompt.options, **cls.model_inputs.get(name, {})}
            prompt = replace(
                prompt, options=options, reasoning_tags=to_pairs(tags), no_think=cls.no_think
            )
        else:  # another app, which may have an input of that name for other models
            name = None
            prompt = replace(prompt, reasoning_tags=to_pairs(reasoning_tags or False))
        if is_own:  # another app's page sends what its system box shows, even if that is nothing
            prompt = replace(prompt, default_system=cls.default_system)
        request_timeout = REQUEST_TIMEOUT if stream_timeout is None else stream_timeout
        request_timeout = min(request_timeout, REQUEST_TIMEOUT)
        question = Question(
            prompt,
            access,
            timeout,
            stream_timeout,
            request_timeout,
            max_retries,
            model=name,
            if_unavailable=cls._name_others() if is_own else "",
        )
        return FragmentStream(question, on_status=on_status, on_reasoning=on_reasoning)

    @classmethod
    def _prompt(
        cls,
        model: str | None,
        messages: Messages,
        history: History,
        inputs: Mapping[str, Any],
        api_name: str | int | None,
        files: Sequence[Attachment],
        kwargs: Mapping[str, Any],
    ) -> Prompt:
        """Check what is asked, with what registries pass along."""
        cls.get_model(model)
        if not_text := [key for key in NOT_TEXT if kwargs.get(key)]:
            raise InvalidMessagesError(f"Only text can be sent, not {', '.join(not_text)}")
        given = {key: value for key, value in kwargs.items() if value is not None}
        options = {key: given[key] for key in cls.optional_inputs if key in given}
        require(**options)
        _require_json("inputs", inputs)
        for option, value in options.items():
            _require_json(option, value)
        if unused := sorted(given.keys() - options.keys()):
            logger.debug("%s has no use for %s", cls.__name__, ", ".join(unused))
        return replace(
            prompt_from(messages, history, files),
            inputs=inputs,
            options=options,
            api_name=api_name,
        )

    @classmethod
    def _name_others(cls) -> str:
        """Return a sentence that names models on other Spaces."""
        others = [
            each.models[0]
            for each in Provider.__subclasses__()
            if each.models and each.url != cls.url
        ]
        return f"Models on other Spaces are {', '.join(others)}" if others else ""

    @classmethod
    def get_model(cls, model: str | None = None, **kwargs: Any) -> str:
        """Return the full name of `model` or of its alias; None, "" and "auto" are the default.

        The hub's spelling, as in `Qwen/Qwen2.5-7B-Instruct`, and upper case are understood.

        :raises ModelNotFoundError: if there is none; lists those there are.
        """
        require(model=model)
        if not model or model == "auto":
            return cls.default_model
        names = {name: name for name in (cls.default_model, *cls.model_inputs)} | cls.model_aliases
        if model in names:
            return names[model]
        alike = {names[name] for name in names if _spelling(name) == _spelling(model)}
        if len(alike) != 1:
            raise ModelNotFoundError(
                f"{cls.__name__} has no model {model!r}; it has {', '.join(cls.models)}"
            )
        return alike.pop()

    @classmethod
    def get_models(cls, **kwargs: Any) -> list[str]:
        """Return the models' names, as users write them."""
        return cls.models

    @classmethod
    def get_parameters(cls, as_json: bool = False) -> dict[str, Any]:
        """Return the parameters of `create_async_generator` by name, or their defaults."""
        signature = inspect.signature(cls.create_async_generator)
        parameters = {
            name: parameter
            for name, parameter in signature.parameters.items()
            if parameter.kind is not parameter.VAR_KEYWORD
        }
        if not as_json:
            return parameters
        return {
            name: None if parameter.default is parameter.empty else parameter.default
            for name, parameter in parameters.items()
        } | {"model": cls.default_model, "messages": []}

    @classmethod
    def get_parent(cls) -> str:
        """Return the provider whose tokens this one takes: itself."""
        return cls.__name__

    @classmethod
    def get_dict(cls) -> dict[str, str]:
        """Return the provider's name, URL and label."""
        return {"name": cls.__name__, "url": cls.url, "label": cls.label}


def _spelling(model: str) -> str:
    """Return a model's name in the one spelling in which names are compared.

    `Qwen/Qwen2.5-7B-Instruct` and `qwen-2.5-7b` are `qwen2-5-7b`. From Qwen3 on, the hub's
    `-Instruct` is another model, so that it remains.
    """
    name = re.sub(r"^(?:qwen[/-])?qwen-?(?=\d)", "qwen", model.lower().replace(".", "-"))
    name = name.removesuffix("-demo")
    return name.removesuffix("-instruct") if name.startswith("qwen2") else name


def _require_json(name: str, value: Any) -> None:
    if isinstance(value, Mapping) and not all(isinstance(key, str) for key in value):
        raise InvalidMessagesError(f"{name}: names must be text")
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMessagesError(f"{name}: {type(error).__name__}: {error}") from None


def require_known(provider: type[Provider], options: Iterable[str]) -> None:
    """Reject options that a provider would only log: registries pass such along, users mistype.

    Files are not among those that may be the same for many questions.

    :raises TypeError: naming them.
    """
    known = {*provider.get_parameters(), *provider.optional_inputs} - {"files"}
    if unknown := set(options) - known:
        raise TypeError(f"Unknown option: {', '.join(sorted(unknown))}")
