"""What each step of a plan is given: the question, earlier turns, and inputs by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from qwen_gradio import SpaceInterfaceError
from qwen_gradio._page.inspection import inspect_plan
from qwen_gradio._page.values import Values

from ..support.plans import (
    BOT,
    BOX,
    CHATBOT,
    CLICK,
    FLAT,
    FORM,
    LOAD,
    NATIVE,
    OUT,
    QUESTION,
    RESPOND,
    SETTINGS,
    SLIDER,
    STATE,
    SUBMIT,
    SYSTEM,
    THEN,
    USER,
    first_inputs,
    function,
    planned,
)


def test_a_component_holds_its_value_then_what_earlier_steps_wrote() -> None:
    bot = function("bot", THEN, [CHATBOT, BOX, SLIDER, 20, 21], [CHATBOT], trigger_after=0)
    plan = planned(USER, bot, components={20: ("image", {}), 21: ("json", {})})
    values = Values(plan, QUESTION)
    values.update(plan.steps[0], ["", {"__type__": "update", "value": [["4?", None]]}])
    assert values.arguments_for(plan.steps[1]) == [[["4?", None]], "", 512, None, {}]
    values.update(plan.steps[0], [{"__type__": "update", "interactive": False}, [["4?", ""]]])
    assert values.arguments_for(plan.steps[1]) == [[["4?", ""]], "", 512, None, {}]
    reply = values.new_reply()
    assert reply.feed([["4?", ""]]) == []
    assert reply.feed([["4?", "yes"]]) == []
    assert reply.end() == ["yes"]


def test_a_box_that_is_only_disabled_keeps_the_question() -> None:
    disable = function("disable", SUBMIT, [], [BOX])
    plan = planned(disable, {**RESPOND, "targets": [[None, "then"]], "trigger_after": 0})
    values = Values(plan, QUESTION)
    values.update(plan.steps[0], [{"__type__": "update", "interactive": False}])
    assert values.arguments_for(plan.steps[1]) == ["4?", []]


@pytest.mark.parametrize("kind", ["multimodaltextbox", "modelscopemultimodalinput"])
def test_a_multimodal_box_takes_text_and_files(kind: str) -> None:
    assert first_inputs(planned(RESPOND, components={BOX: (kind, {})})) == [
        {"text": "4?", "files": []},
        [],
    ]


def test_what_loads_with_the_page_is_called_if_the_chain_reads_it() -> None:
    load = function("load", LOAD, [SLIDER], [STATE, 20, OUT])
    other = function("other", LOAD, [], [OUT, SLIDER])
    chat = function("chat", SUBMIT, [BOX, STATE, SLIDER, 20], [CHATBOT])
    components: dict[int, Any] = {20: ("dropdown", {"label": "Model"})}
    plan = planned(load, other, chat, components=components)
    assert [(step.fn_index, step.is_load) for step in plan.steps] == [(0, True), (2, False)]
    values = Values(plan, QUESTION)
    values.update(plan.steps[0], [None, "large", ""])
    assert values.arguments_for(plan.steps[1]) == ["4?", None, 512, "large"]
    chosen = Values(plan, replace(QUESTION, inputs={"model": "small"}))
    chosen.update(plan.steps[0], [None, "large", ""])
    assert chosen.arguments_for(plan.steps[1]) == ["4?", None, 512, "small"]


@pytest.mark.parametrize(
    ("version", "kind", "props", "turns"),
    [
        ("4.44.1", "chatbot", {}, [["1+1?", "2"]]),
        ("4.44.1", "modelscopechatbot", {}, [["1+1?", "2"]]),
        (
            "5.49.1",
            "chatbot",
            {"type": "messages"},
            [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}],
        ),
        (
            "6.31.0",
            "chatbot",
            {},
            [
                {"role": "user", "content": [{"type": "text", "text": "1+1?"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "2"}]},
            ],
        ),
    ],
)
def test_earlier_turns_go_into_the_chatbot_after_what_it_holds(
    version: str, kind: str, props: dict[str, Any], turns: list[Any]
) -> None:
    greeting = [None, "Hello!"]
    components = {CHATBOT: (kind, {"value": [greeting], **props})}
    plan = planned(USER, BOT, components=components, version=version)
    query = "System: Be brief.\nUser: sure?\nAssistant:"
    assert first_inputs(plan, NATIVE) == [query, [greeting, *turns]]


def test_a_default_of_the_history_that_is_not_a_list_is_replaced() -> None:
    api = {"_api_info": {"type": "string"}}, {"_api_info": {}, "value": 0.5, "label": "history"}
    components: dict[int, Any] = {30 + n: ("api", props) for n, props in enumerate((*api, {}))}
    answer = function("answer", None, [30, 31], [32])
    assert first_inputs(planned(answer, components=components), NATIVE)[1] == [
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "2"},
    ]


def test_earlier_turns_go_into_the_query_where_the_space_keeps_state() -> None:
    chat = function("chat", SUBMIT, [BOX, CHATBOT, STATE], [CHATBOT, STATE])
    assert first_inputs(planned(chat), NATIVE) == [f"System: Be brief.\n{FLAT}", [], None]


def test_the_system_prompt_goes_into_its_box() -> None:
    chat = function("chat", SUBMIT, [BOX, CHATBOT, SYSTEM], [CHATBOT])
    plan = planned(chat)
    assert first_inputs(plan, NATIVE)[0::2] == ["sure?", "Be brief."]
    assert first_inputs(plan)[2] == "Be kind."
    default = replace(QUESTION, default_system="Be Qwen.")
    assert first_inputs(plan, default)[2] == "Be kind."
    empty = planned(chat, components={SYSTEM: ("textbox", {"label": "System prompt"})})
    assert first_inputs(empty, default)[2] == "Be Qwen."


@pytest.mark.parametrize("name", ["tokens", "max_tokens", "max_new_tokens", "Max new tokens"])
def test_inputs_are_given_by_any_of_their_names(name: str) -> None:
    plan = planned(SETTINGS)
    assert first_inputs(plan, replace(QUESTION, inputs={name: 7}))[1] == 7
    assert first_inputs(plan, replace(QUESTION, options={name: 7}))[1] == 7
    both = replace(QUESTION, options={name: 7}, inputs={"tokens": 8})
    assert first_inputs(plan, both)[1] == 8


def test_fields_of_a_form_are_given_by_name() -> None:
    plan = planned(SETTINGS)
    prompt = replace(QUESTION, inputs={"model": "small"}, options={"thinking_budget": 1})
    assert first_inputs(plan, prompt)[2] == {"model": "small", "thinking_budget": 1}
    assert first_inputs(plan)[2] == {"model": "large", "thinking_budget": 38}
    assert first_inputs(plan, replace(QUESTION, inputs={"settings": {"a": 1}}))[2] == {"a": 1}


def test_thinking_is_switched_off_by_an_input_else_by_the_question() -> None:
    silent = replace(NATIVE, options={"enable_thinking": False}, no_think="/no_think")
    plan = planned(USER, BOT)
    assert first_inputs(plan, silent)[0].endswith("User: sure? /no_think\nAssistant:")
    unchanged: list[Any] = [
        {"options": {}},
        {"options": {"enable_thinking": True}},
        {"no_think": ""},
    ]
    for same in unchanged:
        assert first_inputs(plan, replace(silent, **same)) == first_inputs(plan, NATIVE)
    switch: dict[int, Any] = {SLIDER: ("checkbox", {"label": "Enable thinking", "value": True})}
    chat = function("chat", SUBMIT, [BOX, CHATBOT, SLIDER], [CHATBOT])
    query, _, thinks = first_inputs(planned(chat, components=switch), silent)
    assert query.endswith("sure?\nAssistant:")
    assert thinks is False


def test_inputs_that_no_step_has_are_an_error_and_options_are_not() -> None:
    plan = planned(SETTINGS)
    with pytest.raises(SpaceInterfaceError, match=r"no input 'volume'; it has query, tokens, sett"):
        Values(plan, replace(QUESTION, inputs={"volume": 11}))
    with pytest.raises(SpaceInterfaceError, match=r"model, thinking_budget$"):
        Values(plan, replace(QUESTION, inputs={"": 11}))
    assert plan.unused(["temperature", "max_tokens", "model"]) == ["temperature"]
    assert first_inputs(plan, replace(QUESTION, options={"temperature": 1})) == first_inputs(plan)


def test_what_an_earlier_step_writes_is_no_input() -> None:
    prepare = function("prepare", SUBMIT, [BOX], [SLIDER])
    chat = function("chat", THEN, [BOX, SLIDER], [CHATBOT], trigger_after=0)
    assert planned(prepare, chat).unused(["max_tokens"]) == ["max_tokens"]


def test_a_plan_is_shown_step_by_step() -> None:
    load = function("setup", LOAD, [], [STATE])
    user = function("user", SUBMIT, [BOX, CHATBOT, SYSTEM], [CHATBOT], names={BOX: "query"})
    bot = function("bot", THEN, [CHATBOT, STATE, FORM], [BOX, CHATBOT], trigger_after=1)
    other = function("ask", CLICK, [BOX, CHATBOT], [CHATBOT])
    assert str(inspect_plan(planned(load, user, bot, other))).splitlines() == [
        "owner/name is asked in 3 steps:",
        "  1. /setup(), as when its page opens",
        "  2. /user(query=<query>, component 2=[], System prompt=<system>)",
        "  3. /bot(component 2=<step 2>, settings={'model': 'large', 'thinking_budget': 38}), "
        "whose output 2 is the reply",
        "with inputs=... for any of:",
        "  'query' or 'Your question': textbox",
        "  'System prompt': textbox",
        "  'settings': antdform",
        "    'model': 'large'",
        "    'thinking_budget': 38",
        "Other endpoints that may be a chat: /ask",
    ]
