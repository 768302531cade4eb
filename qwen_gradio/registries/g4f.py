"""g4f: `register()`, then ask its clients for the model `qwen-2-5-max`.

g4f also takes the provider as a class, without `register()`, which makes its names known. To serve
them through g4f's HTTP API, run `python -m qwen_gradio.registries.g4f api` for `python -m g4f api`.
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
"""Errors for which g4f has its own, with a status in its HTTP API. Others are raised unchanged."""


class Qwen_Qwen_2_5_Max(provider.Qwen_Qwen_2_5_Max):
    """The provider with g4f's errors, and with its way of choosing a token."""

    @classmethod
    async def create_async_generator(  # type: ignore[override]
        cls, model: str, messages: Any, *, api_key: Any = None, **kwargs: Any
    ) -> AsyncIterator[str]:
        # A key for g4f itself is not passed on; of several keys, this provider's own is.
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
    """Register the provider and its models with g4f. A second call changes nothing."""
    name = Qwen_Qwen_2_5_Max.__name__
    if name in ProviderLoader.names:
        return
    ProviderLoader.names.append(name)
    ProviderLoader.loaded[name] = Qwen_Qwen_2_5_Max
    # g4f also looks up names in this form, ignoring case, "-" and "_".
    ProviderLoader.loaded[name.lower().replace("_", "")] = Qwen_Qwen_2_5_Max
    for alias, model in Qwen_Qwen_2_5_Max.model_aliases.items():
        known = models.Model(alias, "Alibaba Cloud", Qwen_Qwen_2_5_Max)
        models.__models__[alias] = (known, [Qwen_Qwen_2_5_Max])
        models._all_models.append(alias)
        model_map.setdefault(alias, {})[name] = model
    models.ModelUtils.refresh()
    # The module is not imported only for this, as it then fetches a list from the network.
    if (any_provider := sys.modules.get("g4f.providers.any_provider")) is not None:
        any_provider.AnyModelProviderMixin.models[:] = model_map


if __name__ == "__main__":
    from g4f.cli import main

    register()
    main()
