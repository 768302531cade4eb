"""A Space's description to what it is asked, step by step. No server is needed for that."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_gradio import SpaceInterfaceError
from qwen_gradio._chains import plan_of
from qwen_gradio._messages import Prompt, prompt_from
from qwen_gradio._plan import Plan

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
    """One of an app's functions, as `/config` has it."""
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


def described(
    *functions: dict[str, Any], components: dict[int, Any] | None = None, version: str = "5.49.1"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The `/config` and `/info` of an app with these functions."""
    components = COMPONENTS | (components or {})
    config = {
        "version": version,
        "protocol": "sse_v3",
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
    return plan.values(prompt).taken_by(plan.steps[0])


# What is called


def test_one_function_is_one_step_that_carries_nothing() -> None:
    plan = planned(RESPOND)
    (step,) = plan.steps
    assert (step.fn_index, step.name, step.carried, step.reply) == (0, "/respond", (), 1)
    assert first_inputs(plan) == ["4?", []]


def test_what_follows_is_called_until_the_reply_is_written() -> None:
    enable = function("enable", THEN, [], [BOX], trigger_after=1)
    plan = planned(USER, BOT, enable)
    assert calls(plan) == [0, 1]
    assert replies(plan) == [None, 0]
    assert plan.steps[0].carried == ((1, CHATBOT),)


def test_what_only_tidies_up_the_page_is_left_out() -> None:
    hide = function("hide", SUBMIT, [], [BUTTON])
    remember = function("remember", THEN, [], [], trigger_after=0)
    user = function("user", THEN, [BOX, CHATBOT], [CHATBOT], trigger_after=1)
    bot = function("bot", THEN, [CHATBOT], [CHATBOT], trigger_after=2, streams=True)
    assert calls(planned(hide, remember, user, bot)) == [1, 2, 3]


def test_the_reply_is_read_from_the_last_that_streams_it_on() -> None:
    placeholder = function("placeholder", THEN, [CHATBOT], [CHATBOT], trigger_after=0)
    bot = function("bot", THEN, [CHATBOT], [OUT, CHATBOT], trigger_after=1, streams=True)
    polish = function("polish", THEN, [CHATBOT], [CHATBOT], trigger_after=2)
    assert replies(planned(USER, placeholder, bot, polish)) == [None, None, 1, 0]


def test_functions_of_the_page_and_of_failures_are_not_called() -> None:
    script = function("script", SUBMIT, [BOX], [BOX], backend_fn=False)
    user = function("user", THEN, [BOX, CHATBOT], [CHATBOT], trigger_after=0)
    bot = function("bot", THEN, [CHATBOT], [CHATBOT], trigger_after=1)
    sorry = function("sorry", THEN, [], [CHATBOT], trigger_after=2, trigger_only_on_failure=True)
    again = function("again", THEN, [CHATBOT], [CHATBOT], trigger_after=3)
    assert calls(planned(script, user, bot, sorry, again)) == [1, 2]


def test_functions_without_a_name_are_shown_by_number() -> None:
    plan = planned({**USER, "api_name": False}, BOT)
    assert [step.name for step in plan.steps] == ["function 0", "/bot"]


def test_of_several_heads_the_one_that_answers_is_the_chat() -> None:
    ask = function("ask", CLICK, [BOX, CHATBOT], [CHATBOT], streams=True)
    clear = function("clear", CLICK, [BOX], [BOX])
    assert calls(planned(ask, clear)) == [0]


def test_heads_that_answer_only_together_are_all_called() -> None:
    save = function("save", CLICK, [BOX], [STATE])
    clear = function("clear", CLICK, [], [BOX])
    bot = function("bot", THEN, [STATE, CHATBOT], [CHATBOT], trigger_after=1, streams=True)
    plan = planned(save, clear, bot)
    assert calls(plan) == [0, 2]
    assert first_inputs(plan) == ["4?"]


def test_each_head_takes_what_the_page_held_before() -> None:
    clear = function("clear", CLICK, [], [BOX])
    save = function("save", CLICK, [BOX], [STATE])
    bot = function("bot", THEN, [STATE, CHATBOT, BOX], [CHATBOT], trigger_after=0, streams=True)
    assert calls(planned(clear, save, bot)) == [1, 0, 2]


# Which chain is the chat


def test_enter_comes_before_a_button_and_a_chatbot_before_other_text() -> None:
    search = function("search", SUBMIT, [BOX], [OUT])
    click = function("click", CLICK, [BOX, CHATBOT], [CHATBOT])
    submit = function("submit", SUBMIT, [BOX, CHATBOT], [CHATBOT])
    assert calls(planned(search, click)) == [1]
    assert calls(planned(click, submit)) == [1]


def test_a_chat_interface_is_asked_by_its_own_endpoint() -> None:
    shown = function("_submit", SUBMIT, [BOX, CHATBOT], [CHATBOT], streams=True)
    own = function("echo", CLICK, [BOX, STATE, SYSTEM], [OUT, STATE], streams=True)
    tags = {"reasoning_tags": [["<think>", "</think>"], ["", ""], 7]}
    components = {OUT: ("json", {}), CHATBOT: ("chatbot", tags)}
    plan = planned(shown, own, components=components)
    assert (calls(plan), replies(plan)) == ([1], [0])
    assert first_inputs(plan, NATIVE) == [FLAT, None, "Be brief."]
    assert plan.reasoning_tags == (("<think>", "</think>"),)


def test_a_function_can_be_chosen_by_the_name_of_each_trigger() -> None:
    chat = function("chat", SUBMIT, [BOX, CHATBOT], [BOX, CHATBOT])
    again = function("chat_1", CLICK, [BOX, CHATBOT], [BOX, CHATBOT])
    for number, api_name in enumerate(["/chat", "chat_1"]):
        assert calls(planned(chat, again, api_name=api_name)) == [number]


def test_one_function_on_several_triggers_is_one_chat() -> None:
    twice = [
        function("f", SUBMIT, [BOX, SLIDER], [OUT]),
        function("f_1", CLICK, [BOX, SLIDER], [OUT]),
    ]
    plan = planned(*twice)
    assert (calls(plan), plan.others) == ([0], ())


def test_the_box_that_is_submitted_or_named_so_takes_the_question() -> None:
    other: dict[int, Any] = {20: ("textbox", {"label": "Topic"})}
    submitted = function("f", SUBMIT, [20, BOX, CHATBOT], [CHATBOT])
    assert first_inputs(planned(submitted, components=other)) == ["", "4?", []]
    clicked = function("f", CLICK, [20, BOX, CHATBOT], [CHATBOT], names={BOX: "user_message"})
    assert first_inputs(planned(clicked, components=other)) == ["", "4?", []]


@pytest.mark.parametrize("outputs", [[OUT], [BOX, OUT]])
def test_the_box_that_is_named_text_or_emptied_takes_the_question(outputs: list[int]) -> None:
    other: dict[int, Any] = {20: ("textbox", {"label": "Language"}), BOX: ("textbox", {})}
    names = {} if BOX in outputs else {BOX: "text"}
    clicked = function("f", CLICK, [20, BOX], outputs, names=names)
    assert first_inputs(planned(clicked, components=other)) == ["", "4?"]


def test_a_function_for_an_api_alone_is_asked_if_it_takes_and_returns_text() -> None:
    text, number = {"_api_info": {"type": "string"}}, {"_api_info": {"type": "number"}}
    api: dict[int, Any] = {20: ("api", text), 21: ("api", {**number, "value": 0.5})}
    ask = function("ask", None, [20, 21], [22], names={20: "prompt", 21: "temperature"})
    plan = planned(ask, components={**api, 22: ("api", text)})
    assert (first_inputs(plan), plan.reply) == (["4?", 0.5], 22)
    with pytest.raises(SpaceInterfaceError, match="returns no text"):
        planned(ask, components={**api, 22: ("api", number)})
    assert planned(ask, RESPOND, components={**api, 22: ("api", text)}).reply == CHATBOT


def test_a_password_or_a_system_prompt_is_no_question() -> None:
    secret = function("f", CLICK, [20, SYSTEM, CHATBOT], [CHATBOT])
    with pytest.raises(SpaceInterfaceError, match="no chat that can be used"):
        planned(secret, components={20: ("textbox", {"type": "password"})})


def test_the_text_a_user_enters_and_the_system_prompt_are_no_reply() -> None:
    with pytest.raises(SpaceInterfaceError, match="no chat that can be used"):
        planned(function("f", SUBMIT, [BOX], [BOX, SYSTEM]))
    assert replies(planned(function("f", SUBMIT, [BOX], [BOX, SYSTEM, OUT]))) == [2]


def test_of_several_texts_the_one_named_so_is_the_reply() -> None:
    texts: dict[int, Any] = {
        20: ("textbox", {"label": "Log"}),
        21: ("textbox", {"label": "Answer"}),
    }
    assert planned(function("f", SUBMIT, [BOX], [20, 21]), components=texts).reply == 21
    assert planned(function("f", SUBMIT, [BOX], [20, OUT]), components=texts).reply == 20


def test_a_status_that_does_not_depend_on_the_question_is_no_reply() -> None:
    answer = function("answer", SUBMIT, [BOX], [OUT])
    status = function("status", THEN, [], [20], trigger_after=0)
    plan = planned(answer, status, components={20: ("markdown", {})})
    assert (calls(plan), replies(plan)) == ([0], [0])


def test_different_texts_for_a_question_are_ambiguous_until_one_is_chosen() -> None:
    functions = [function("up", CLICK, [BOX], [OUT]), function("down", (21, "click"), [BOX], [20])]
    components: dict[int, Any] = {20: ("markdown", {}), 21: ("button", {})}
    with pytest.raises(SpaceInterfaceError, match=r"more than one.*api_name: /up, /down"):
        planned(*functions, components=components)
    assert calls(planned(*functions, components=components, api_name="down")) == [1]
    well_known = function("chat", (21, "click"), [BOX], [20])
    assert calls(planned(functions[0], well_known, components=components)) == [1]


@pytest.mark.parametrize("api_name", ["/upload", "upload", 2, "2"])
def test_any_endpoint_that_answers_can_be_chosen(api_name: str | int) -> None:
    upload = function("upload", (20, "upload"), [20, BOX, CHATBOT], [CHATBOT])
    components: dict[int, Any] = {20: ("file", {})}
    assert calls(planned(USER, BOT, upload, components=components)) == [0, 1]
    plan = planned(USER, BOT, upload, components=components, api_name=api_name)
    assert calls(plan) == [2]
    assert plan.others == ("/user",)


def test_a_later_step_chooses_its_chain() -> None:
    assert calls(planned(RESPOND, USER, {**BOT, "trigger_after": 1}, api_name="bot")) == [1, 2]


# What cannot be asked


def test_an_error_shows_the_endpoints_and_why_none_is_a_chat() -> None:
    image: dict[int, Any] = {20: ("image", {"label": "image"})}
    draw = function("draw", SUBMIT, [BOX], [20])
    see = function("see", CLICK, [20], [OUT])
    with pytest.raises(SpaceInterfaceError) as caught:
        planned(draw, see, components=image)
    assert str(caught.value) == (
        "owner/name offers no chat that can be used. Found: "
        "/draw(Your question) returns no text; /see(image) takes no text"
    )
    with pytest.raises(SpaceInterfaceError, match=r"no chat '/nowhere'.*/user.*with api_name"):
        planned(USER, BOT, api_name="/nowhere")


def test_a_step_that_cannot_be_called_is_named() -> None:
    broken = function("bot", THEN, [CHATBOT, 99], [CHATBOT], trigger_after=0)
    with pytest.raises(SpaceInterfaceError, match=r"/bot cannot be called.*99"):
        planned(USER, broken)


def test_an_old_protocol_is_named() -> None:
    config, info = described(USER, BOT)
    with pytest.raises(SpaceInterfaceError, match="protocol 'ws'"):
        plan_of({**config, "protocol": "ws"}, info, "owner/name")


# What steps are given


def test_a_component_holds_its_value_then_what_earlier_steps_wrote() -> None:
    bot = function("bot", THEN, [CHATBOT, BOX, SLIDER, 20, 21], [CHATBOT], trigger_after=0)
    plan = planned(USER, bot, components={20: ("image", {}), 21: ("json", {})})
    values = plan.values(QUESTION)
    values.write(plan.steps[0], ["", {"__type__": "update", "value": [["4?", None]]}])
    assert values.taken_by(plan.steps[1]) == [[["4?", None]], "", 512, None, {}]
    values.write(plan.steps[0], [{"__type__": "update", "interactive": False}, [["4?", ""]]])
    assert values.taken_by(plan.steps[1]) == [[["4?", ""]], "", 512, None, {}]
    reply = plan.new_reply(values)
    assert reply.feed([["4?", ""]]) == ("", "")
    assert reply.feed([["4?", "yes"]]) == ("yes", "")


def test_a_box_that_is_only_disabled_keeps_the_question() -> None:
    disable = function("disable", SUBMIT, [], [BOX])
    plan = planned(disable, {**RESPOND, "targets": [[None, "then"]], "trigger_after": 0})
    values = plan.values(QUESTION)
    values.write(plan.steps[0], [{"__type__": "update", "interactive": False}])
    assert values.taken_by(plan.steps[1]) == ["4?", []]


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
    values = plan.values(QUESTION)
    values.write(plan.steps[0], [None, "large", ""])
    assert values.taken_by(plan.steps[1]) == ["4?", None, 512, "large"]
    chosen = plan.values(replace(QUESTION, inputs={"model": "small"}))
    chosen.write(plan.steps[0], [None, "large", ""])
    assert chosen.taken_by(plan.steps[1]) == ["4?", None, 512, "small"]


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


SETTINGS = function(
    "chat", SUBMIT, [BOX, SLIDER, FORM], [CHATBOT], names={SLIDER: "tokens", BOX: "query"}
)


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


def test_inputs_that_no_step_has_are_an_error_and_options_are_not() -> None:
    plan = planned(SETTINGS)
    with pytest.raises(SpaceInterfaceError, match=r"no input 'volume'; it has query, tokens, sett"):
        plan.values(replace(QUESTION, inputs={"volume": 11}))
    with pytest.raises(SpaceInterfaceError, match=r"model, thinking_budget$"):
        plan.values(replace(QUESTION, inputs={"": 11}))
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
    assert str(planned(load, user, bot, other)).splitlines() == [
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


# What a hostile Space could say

SCALARS = st.none() | st.booleans() | st.integers(-2, 30) | st.floats() | st.text()
WORDS = st.sampled_from(
    re.findall(
        r"\w+",
        "id type props value targets inputs outputs trigger_after api_name components dependencies "
        "named_endpoints parameters label protocol sse_v3 textbox chatbot state json button submit "
        "click load reasoning_tags",
    )
)
JSON = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner) | st.dictionaries(WORDS | st.text(), inner),
    max_leaves=20,
)
REAL = [
    described(USER, BOT),
    described(function("load", LOAD, [], [STATE]), SETTINGS, version="6.0"),
    described(
        function("chat", CLICK, [BOX, STATE, SYSTEM], [OUT, STATE]),
        function("chat_1", SUBMIT, [BOX, CHATBOT, FORM], [CHATBOT, FORM]),
        components={OUT: ("json", {}), BOX: ("multimodaltextbox", {})},
    ),
]


@st.composite
def changed(draw: st.DrawFn) -> Any:
    """A description of a real form, in which some values are something else."""
    described = copy.deepcopy(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 4))):
        inside: Any = described
        while True:
            keys = range(len(inside)) if not isinstance(inside, dict) else sorted(inside, key=str)
            key = draw(st.sampled_from(list(keys)))
            if inside is not described and draw(st.integers(0, 3)) == 0:
                inside[key] = draw(JSON)
                break
            if not isinstance(inside[key], (dict, list)) or not inside[key]:
                if inside is not described:
                    inside[key] = draw(JSON)
                break
            inside = inside[key]
    return described


@given(
    description=changed() | st.tuples(JSON, JSON),
    api_name=st.none() | st.text() | st.integers(-1, 9) | WORDS,
    inputs=st.dictionaries(WORDS | st.sampled_from(["model", "settings", "query"]), JSON),
    outputs=st.lists(st.lists(JSON), max_size=3),
)
def test_no_description_raises_anything_but_our_error(
    description: Any, api_name: Any, inputs: dict[str, Any], outputs: list[list[Any]]
) -> None:
    try:
        plan = plan_of(*description, "owner/name", api_name)
    except SpaceInterfaceError:
        return
    assert str(plan)
    assert any(step.reply is not None for step in plan.steps)
    with suppress(SpaceInterfaceError):
        plan.values(replace(NATIVE, inputs=inputs))
    values = plan.values(replace(NATIVE, options=inputs))
    for step in plan.steps:
        assert len(values.taken_by(step)) == len(step.inputs)
        reply = plan.new_reply(values)
        for output in outputs:
            values.write(step, output)
            if step.reply is not None and step.reply < len(output):
                with suppress(ValueError):
                    reply.feed(output[step.reply])
