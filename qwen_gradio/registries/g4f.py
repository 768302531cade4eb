"""g4f: `register()`, then ask its clients for the model `qwen-2-5-max`.

The provider works in g4f as it is, given as a class. This makes its names known as well. For g4f's
HTTP API, `python -m qwen_gradio.registries.g4f api` is `python -m g4f api` with them.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

import g4f.errors
from g4f import models
from g4f.Provider import ProviderLoader
from g4f.providers.any_model_map import model_map
from g4f.tools.auth import AuthManager

from .. import errors, provider

ERRORS: dict[type[errors.QwenGradioError], type[Exception]] = {
    errors.InvalidMessagesError: g4f.errors.BadRequestError,
    errors.ModelNotFoundError: g4f.errors.ModelNotFoundError,
    errors.AuthenticationError: g4f.errors.MissingAuthError,
    errors.RateLimitError: g4f.errors.RateLimitError,
    errors.QueueFullError: g4f.errors.RateLimitError,
}
"""What g4f has names for, and its HTTP API a status. Others are raised as they are."""


class Qwen_Qwen_2_5_Max(provider.Qwen_Qwen_2_5_Max):
    """The provider, with errors and tokens as g4f has them."""

    @classmethod
    async def create_async_generator(  # type: ignore[override]
        cls, model: str, messages: Any, *, api_key: Any = None, **kwargs: Any
    ) -> AsyncIterator[str]:
        # One for g4f itself goes no further; among several, one is for this provider.
        token, _ = AuthManager.resolve_api_key(cls, api_key)
        try:
            stream = super().create_async_generator(model, messages, api_key=token, **kwargs)
            async with stream:
                async for fragment in stream:
                    yield fragment
        except tuple(ERRORS) as error:
            raise ERRORS[type(error)](str(error)) from error

    @classmethod
    def get_parameters(cls, as_json: bool = False) -> dict[str, Any]:
        return provider.Qwen_Qwen_2_5_Max.get_parameters(as_json)


def register() -> None:
    """Make the provider's name and its models' known to g4f. Doing it again changes nothing."""
    name = Qwen_Qwen_2_5_Max.__name__
    if name in ProviderLoader.names:
        return
    ProviderLoader.names.append(name)
    ProviderLoader.loaded[name] = Qwen_Qwen_2_5_Max
    # How g4f writes a name whose case, "-" and "_" are not to matter.
    ProviderLoader.loaded[name.lower().replace("_", "")] = Qwen_Qwen_2_5_Max
    for alias, model in Qwen_Qwen_2_5_Max.model_aliases.items():
        known = models.Model(alias, "Alibaba Cloud", Qwen_Qwen_2_5_Max)
        models.__models__[alias] = (known, [Qwen_Qwen_2_5_Max])
        models._all_models.append(alias)
        model_map.setdefault(alias, {})[name] = model
    models.ModelUtils.refresh()
    # Not imported for this, as it fetches a list from the network when it is.
    if (any_provider := sys.modules.get("g4f.providers.any_provider")) is not None:
        any_provider.AnyModelProviderMixin.models[:] = model_map


if __name__ == "__main__":
    from g4f.cli import main

    register()
    main()
