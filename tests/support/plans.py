"""Build `/config` and `/info` of apps, for tests of plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qwen_gradio._messages import Prompt, prompt_from
from qwen_gradio._page.plan import Plan
from qwen_gradio._page.planning import plan_of
from qwen_gradio._page.values import Values

BOX, CHATBOT, STATE, BUTTON, SYSTEM, SLIDER, OUT, FORM = range(1, 9)
COMPONENTS: dict[int, tuple[str, dict[str, Any]]] = {
    BOX: ("textbox", {"label": "Your question"}),
    CHATBOT: ("chatbot", {"value": [], "type": "tuples"}),
    STATE: ("state", {}),
    BUTTON: ("button", {"value": "Send"}),
    SYSTEM: ("textbox", {"label": "System prompt", "value": "Be kind."}),
    SLIDER: ("slider", {"label": "Max new tokens", "value": 512}),
    OUT: ("markdown", {}),
    FORM: ("antdform", {"value": {"model": "large", "thinking_budget": 38}, "elem_id": "settings"}),
}
SUBMIT, CLICK, LOAD, THEN = (BOX, "submit"), (BUTTON, "click"), (0, "load"), (None, "then")


def function(
    name: str | bool,
    trigger: tuple[int | None, str] | None,
    inputs: Sequence[int],
    outputs: Sequence[int],
    **more: Any,
) -> dict[str, Any]:
    """Return a function as in `/config`."""
    return {
        "api_name": name,
        "targets": [list(trigger)] if trigger else [],
        "inputs": list(inputs),
        "outputs": list(outputs),
        "backend_fn": True,
        "trigger_after": None,
        "types": {"generator": more.pop("streams", False)},
        **more,
    }


def in_tabs(*tabs: Sequence[int]) -> dict[str, Any]:
    """Return a layout with these components in tabs. The ids of the tabs are 101, 102, ..."""
    items = [
        {"id": 101 + n, "children": [{"id": 90, "children": [{"id": i} for i in tab]}]}
        for n, tab in enumerate(tabs)
    ]
    return {"id": 0, "children": [{"id": 100, "children": items}]}


def described(
    *functions: dict[str, Any],
    components: dict[int, Any] | None = None,
    version: str = "5.49.1",
    layout: dict[str, Any] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the `/config` and `/info` of an app with these functions."""
    components = COMPONENTS | (components or {})
    config = {
        "version": version,
        "protocol": "sse_v3",
        "layout": layout or {},
        "components": [
            {"id": id_, "type": kind, "props": props} for id_, (kind, props) in components.items()
        ],
        "dependencies": [{"id": number, **f} for number, f in enumerate(functions)],
    }
    named = {
        f"/{f['api_name']}": {
            "parameters": [
                {
                    "parameter_name": f.get("names", {}).get(i),
                    "label": components[i][1].get("label", f"parameter_{i}"),
                    "component": components[i][0].capitalize(),
                }
                for i in f["inputs"]
                if i in components and components[i][0] not in ("state", "button")
            ]
        }
        for f in functions
        if f["api_name"]
    }
    return config, {"named_endpoints": named, "unnamed_endpoints": {}}


def planned(*functions: dict[str, Any], api_name: Any = None, **more: Any) -> Plan:
    return plan_of(*described(*functions, **more), "owner/name", api_name)


def calls(plan: Plan) -> list[int]:
    return [step.fn_index for step in plan.steps]


def replies(plan: Plan) -> list[int | None]:
    return [step.reply for step in plan.steps]


QUESTION = prompt_from([{"role": "user", "content": "4?"}])
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "1+1?"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "sure?"},
]
FLAT = "User: 1+1?\nAssistant: 2\nUser: sure?\nAssistant:"
NATIVE = prompt_from(TURNS, "native")
USER = function("user", SUBMIT, [BOX, CHATBOT], [BOX, CHATBOT])
BOT = function("bot", THEN, [CHATBOT], [CHATBOT], trigger_after=0, streams=True)
RESPOND = function("respond", SUBMIT, [BOX, CHATBOT], [BOX, CHATBOT], streams=True)


def first_inputs(plan: Plan, prompt: Prompt = QUESTION) -> list[Any]:
    return Values(plan, prompt).arguments_for(plan.steps[0])


SETTINGS = function(
    "chat", SUBMIT, [BOX, SLIDER, FORM], [CHATBOT], names={SLIDER: "tokens", BOX: "query"}
)
