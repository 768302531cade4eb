"""The providers, each a table of facts about a Space and its models, and how a model is found."""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar

from ._options import require
from .errors import ModelNotFoundError
from .provider import Provider


class Qwen_Qwen_2_5_Max(Provider):
    """Qwen2.5-Max, as the Space Qwen/Qwen2.5-Max-Demo serves it."""

    label = "Qwen Qwen-2.5-Max"
    url = "https://qwen-qwen2-5-max-demo.hf.space"
    default_model = "qwen-qwen2-5-max"
    model_aliases: ClassVar = {"qwen-2-5-max": default_model, "qwen-2.5-max": default_model}
    models: ClassVar = list(model_aliases)


class Qwen_Qwen_2_5(Provider):
    """Qwen2.5 in its open sizes, as the Space Qwen/Qwen2.5 serves them."""

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
    """Qwen2-72B-Instruct, as the Space Qwen/Qwen2-72B-Instruct serves it."""

    label = "Qwen Qwen-2-72B"
    url = "https://qwen-qwen2-72b-instruct.hf.space"
    default_model = "qwen-qwen2-72b-instruct"
    model_aliases: ClassVar = {"qwen-2-72b": default_model}
    models: ClassVar = list(model_aliases)


class Qwen_Qwen_3(Provider):
    """Qwen3 in its open sizes, as the Space Qwen/Qwen3-Demo serves them.

    `thinking_budget` limits the reasoning: 1 to 38 thousand tokens, by default 38. With
    `enable_thinking=False`, the question ends with `/no_think`, which Qwen3 itself follows. The
    page's button cannot be set from here: it is a `gr.State`, which Gradio takes from no caller.
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
    """Qwen3-VL, as the Space Qwen/Qwen3-VL-Demo serves it: it takes images and videos as `files`.

    It thinks before it answers. As on Qwen3's page, the button for that cannot be set from here.
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


def names_listed() -> dict[str, type[Provider]]:
    """Return all models, each by one of its names, with their providers."""
    return {
        name: provider
        for provider in providers().values()
        for name in {provider.get_model(name): name for name in provider.models}.values()
    }


def to_provider(given: type[Provider] | str | None, model: str | None) -> type[Provider]:
    """Return a provider, given as such or by name; without one, the model's own.

    :raises ModelNotFoundError, TypeError, ValueError: if there is none.
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
"""The provider if no model is named: the one official Space seen running in autumn 2026."""


def provider_of(model: str | None) -> type[Provider]:
    """Return the provider of a model; `DEFAULT` where none is named.

    :raises ModelNotFoundError: if there is none; lists the models there are.
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
