"""g4f: call `register()`, then ask its clients for the model `qwen-2-5-max`.

You can also pass a provider class to g4f; `register()` is only needed for names. If g4f already
serves a model of that name, such as `qwen-3-32b`, name the provider, too. To serve the models
through g4f's HTTP API, replace `python -m g4f` by `python -m qwen_gradio.registries.g4f`.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

from .. import _models, errors, provider
from .._extras import require_extra
from .._openai import complete_text, cut_async

with require_extra("g4f"):
    import g4f.errors
    from g4f import models
    from g4f.Provider import ProviderLoader
    from g4f.providers.any_model_map import model_map
    from g4f.providers.base_provider import AsyncGeneratorProvider, ProviderModelMixin
    from g4f.providers.response import Reasoning
    from g4f.tools.auth import AuthManager

ERRORS: dict[type[errors.QwenGradioError], type[Exception]] = {
    errors.InvalidMessagesError: g4f.errors.BadRequestError,
    errors.ModelNotFoundError: g4f.errors.ModelNotFoundError,
    errors.AuthenticationError: g4f.errors.MissingAuthError,
    errors.RateLimitError: g4f.errors.RateLimitError,
    errors.QueueFullError: g4f.errors.RateLimitError,
}
"""g4f's errors for ours; its HTTP API has statuses for them. Other errors are raised unchanged."""


class Registered(provider.Provider, AsyncGeneratorProvider, ProviderModelMixin):  # type: ignore[misc]
    """A provider with g4f's errors, reasoning objects and selection of tokens.

    Its bases from g4f are only for code that checks for them.
    """

    @classmethod
    async def create_async_generator(  # type: ignore[override]
        cls,
        model: str,
        messages: Any,
        *,
        api_key: Any = None,
        stream: bool | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[str | Reasoning]:
        # g4f's HTTP API passes on its clients' options. `files` could name files on this computer;
        # in `media`, text is always a URL.
        if kwargs.pop("files", None):
            raise g4f.errors.BadRequestError("files cannot be passed through g4f: use media")
        if kwargs.get("max_tokens") == 0:  # some clients mean no limit
            del kwargs["max_tokens"]
        # This drops a key for g4f itself, and selects this provider's key if there are several.
        token, _ = AuthManager.resolve_api_key(cls, api_key)
        try:
            reply = super().create_async_generator(model, messages, api_key=token, **kwargs)
            async with reply:
                if stream is False:  # the final text; fragments may differ from it
                    await reply.text()
                    if reply.reasoning:
                        yield Reasoning(reply.reasoning)
                    yield complete_text(reply)
                    return
                async for piece in cut_async(reply, ()):
                    yield piece if isinstance(piece, str) else Reasoning(piece.text)
        except tuple(ERRORS) as error:
            raise ERRORS[type(error)](str(error)) from error

    @classmethod
    def get_parameters(cls, as_json: bool = False) -> dict[str, Any]:
        return _models.providers()[cls.__name__].get_parameters(as_json)


class Qwen_Qwen_2_5_Max(Registered, _models.Qwen_Qwen_2_5_Max):
    """Qwen2.5-Max."""


class Qwen_Qwen_3(Registered, _models.Qwen_Qwen_3):
    """Qwen3."""


class Qwen_Qwen_3_VL(Registered, _models.Qwen_Qwen_3_VL):
    """Qwen3-VL."""


class Qwen_Qwen_2_5(Registered, _models.Qwen_Qwen_2_5):
    """Qwen2.5."""


class Qwen_Qwen_2_72B(Registered, _models.Qwen_Qwen_2_72B):
    """Qwen2-72B."""


def register() -> None:
    """Register the providers and their models with g4f. A second call changes nothing."""
    for cls in Registered.__subclasses__():
        if cls.__name__ not in ProviderLoader.names:
            _register(cls)
    models.ModelUtils.refresh()
    # Only if it is imported already: importing it fetches a list from the network.
    if (any_provider := sys.modules.get("g4f.providers.any_provider")) is not None:
        any_provider.AnyModelProviderMixin.models[:] = model_map


def _register(cls: type[provider.Provider]) -> None:
    name = cls.__name__
    ProviderLoader.names.append(name)
    ProviderLoader.loaded[name] = cls
    # g4f also looks up names without "-" and "_", in lower case.
    ProviderLoader.loaded[name.lower().replace("_", "")] = cls
    for model in dict.fromkeys([*cls.models, *cls.model_aliases]):
        model_map.setdefault(model, {})[name] = cls.get_model(model)
        if model not in models.__models__:
            models.__models__[model] = (models.Model(model, "Alibaba Cloud", cls), [cls])
            models._all_models.append(model)


if __name__ == "__main__":
    from g4f.cli import main

    register()
    main()
