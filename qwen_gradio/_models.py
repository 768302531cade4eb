"""The providers: facts about each Space and its models; and lookup of models by name."""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar

from ._options import require
from .errors import ModelNotFoundError
from .provider import Provider


class Qwen_Qwen_2_5_Max(Provider):
    """Qwen2.5-Max, on the Space Qwen/Qwen2.5-Max-Demo."""

    label = "Qwen Qwen-2.5-Max"
    url = "https://qwen-qwen2-5-max-demo.hf.space"
    default_model = "qwen-qwen2-5-max"
    model_aliases: ClassVar = {"qwen-2-5-max": default_model, "qwen-2.5-max": default_model}
    models: ClassVar = list(model_aliases)


class Qwen_Qwen_2_5(Provider):
    """The open sizes of Qwen2.5, on the Space Qwen/Qwen2.5."""

    label = "Qwen Qwen-2.5"
    url = "https://qwen-qwen2-5.hf.space"
    default_model = "qwen-qwen2-5"
    default_system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    model_inputs: ClassVar = {
        default_model: {"radio": "72B"},
        **{
            f"qwen-2.5-{size.lower()}": {"radio": size}
            for size in ("72B", "32B", "14B", "7B", "3B", "1.5B", "0.5B")
        },
    }
    model_aliases: ClassVar = {"qwen-2.5": default_model}
    models: ClassVar = ["qwen-2.5", *list(model_inputs)[1:]]


class Qwen_Qwen_2_72B(Provider):
    """Qwen2-72B-Instruct, on the Space Qwen/Qwen2-72B-Instruct."""

    label = "Qwen Qwen-2-72B"
    url = "https://qwen-qwen2-72b-instruct.hf.space"
    default_model = "qwen-qwen2-72b-instruct"
    model_aliases: ClassVar = {"qwen-2-72b": default_model}
    models: ClassVar = list(model_aliases)


class Qwen_Qwen_3(Provider):
    """The open sizes of Qwen3, on the Space Qwen/Qwen3-Demo.

    `thinking_budget` limits the reasoning to 1 to 38 thousand tokens; the default is 38. With
    `enable_thinking=False`, the question ends with `/no_think`, which Qwen3 itself obeys. The
    page's button cannot be set: it is a `gr.State`, which Gradio accepts from no caller.
    """

    label = "Qwen Qwen-3"
    url = "https://qwen-qwen3-demo.hf.space"
    default_model = "qwen3-235b-a22b"
    model_inputs: ClassVar = {
        f"qwen3-{size}": {"model": f"qwen3-{size}"}
        for size in ("235b-a22b", "32b", "30b-a3b", "14b", "8b", "4b", "1.7b", "0.6b")
    }
    optional_inputs: ClassVar = (*Provider.optional_inputs, "thinking_budget")
    no_think = "/no_think"
    reasoning_tags = True
    model_aliases: ClassVar = {
        "qwen-3": default_model,
        **{f"qwen-3-{name.split('-')[1]}": name for name in model_inputs},
    }
    models: ClassVar = list(model_inputs)


class Qwen_Qwen_3_VL(Provider):
    """Qwen3-VL, on the Space Qwen/Qwen3-VL-Demo. Takes images and videos as `files`.

    It thinks before it answers. As on Qwen3's page, the button for that cannot be set.
    """

    label = "Qwen Qwen-3-VL"
    url = "https://qwen-qwen3-vl-demo.hf.space"
    default_model = "qwen3-vl"
    model_aliases: ClassVar = {"qwen-3-vl": default_model}
    models: ClassVar = [default_model]


def providers() -> dict[str, type[Provider]]:
    """Return all providers, by name."""
    return {
        cls.__name__: cls
        for cls in (Qwen_Qwen_2_5_Max, Qwen_Qwen_3, Qwen_Qwen_3_VL, Qwen_Qwen_2_5, Qwen_Qwen_2_72B)
    }


def list_models() -> dict[str, type[Provider]]:
    """Return the provider of every model. A model with several names is listed once."""
    return {
        name: provider
        for provider in providers().values()
        for name in {provider.get_model(name): name for name in provider.models}.values()
    }


def to_provider(given: type[Provider] | str | None, model: str | None) -> type[Provider]:
    """Return a provider.

    :param given: the provider or its name; None for the provider of `model`.
    :raises ModelNotFoundError, TypeError, ValueError: if there is no such provider.
    """
    if given is None:
        return provider_of(model)
    if isinstance(given, type) and issubclass(given, Provider):
        return given
    if not isinstance(given, str):
        raise TypeError(f"provider must be a provider or its name, not {type(given).__name__}")
    if given not in providers():
        raise ValueError(f"provider: there is no {given!r}; there are {', '.join(providers())}")
    return providers()[given]


DEFAULT = Qwen_Qwen_3
"""The default provider: in autumn 2026, no other official Space was seen running."""


def provider_of(model: str | None) -> type[Provider]:
    """Return the provider of a model; `DEFAULT` if no model is named.

    :raises ModelNotFoundError: if no provider has it. The message lists all models.
    """
    require(model=model)
    if not model or model == "auto":
        return DEFAULT
    for provider in providers().values():
        with suppress(ModelNotFoundError):
            provider.get_model(model)
            return provider
    known = [name for provider in providers().values() for name in provider.models]
    raise ModelNotFoundError(f"There is no model {model!r}; there are {', '.join(known)}")
