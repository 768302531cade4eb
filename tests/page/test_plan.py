"""A Space's description to what it is asked, step by step. No server is needed for that."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_gradio import SpaceInterfaceError
from qwen_gradio._files.attachments import from_bytes
from qwen_gradio._messages import prompt_from
from qwen_gradio._page.inspection import inspect_plan
from qwen_gradio._page.planning import plan_of
from qwen_gradio._page.values import Values

from ..support.plans import (
    BOT,
    BOX,
    BUTTON,
    CHATBOT,
    CLICK,
    FLAT,
    LOAD,
    NATIVE,
    OUT,
    RESPOND,
    SLIDER,
    STATE,
    SUBMIT,
    SYSTEM,
    THEN,
    USER,
    calls,
    described,
    first_inputs,
    function,
    in_tabs,
    planned,
    replies,
)


def test_one_function_is_one_step_that_carries_nothing() -> None:
    plan = planned(RESPOND)
    (step,) = plan.steps
    assert (step.fn_index, step.name, step.writes, step.reply) == (0, "/respond", (), 1)
    assert first_inputs(plan) == ["4?", []]


def test_what_follows_is_called_until_the_reply_is_written() -> None:
    enable = function("enable", THEN, [], [BOX], trigger_after=1)
    plan = planned(USER, BOT, enable)
    assert calls(plan) == [0, 1]
    assert replies(plan) == [None, 0]
    assert plan.steps[0].writes == ((1, CHATBOT),)


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
    assert (calls(plan), plan.others) == ([0], {})


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


TABS: dict[int, Any] = {
    20: ("markdown", {}),
    21: ("textbox", {"label": "Search query"}),
    101: ("tabitem", {"label": "Main"}),
    102: ("tabitem", {"label": "Tools"}),
}


def test_the_first_tab_comes_before_names_and_events() -> None:
    search = function("predict", (21, "submit"), [21], [20], names={21: "query"})
    main = function("f", CLICK, [BOX], [OUT])
    assert calls(planned(search, main, components=TABS)) == [0]
    plan = planned(search, main, components=TABS, layout=in_tabs([BOX, OUT], [21, 20]))
    assert (calls(plan), plan.others) == ([1], {"/predict": "Tools"})


def test_a_function_without_a_page_comes_after_the_page() -> None:
    api: dict[int, Any] = {n: ("api", {"_api_info": {"type": "string"}}) for n in (30, 31)}
    chat = function("chat", None, [30], [31], names={30: "message"})
    main = function("f", CLICK, [BOX], [OUT])
    components = TABS | api
    plan = planned(chat, main, components=components, layout=in_tabs([BOX, OUT], []))
    assert calls(plan) == [1]


def test_texts_alike_are_ambiguous_in_whichever_tab_they_are() -> None:
    functions = [function("up", CLICK, [BOX], [OUT]), function("down", (21, "click"), [22], [20])]
    components = TABS | {21: ("button", {}), 22: ("textbox", {})}
    with pytest.raises(SpaceInterfaceError, match=r"api_name: /up, /down"):
        planned(*functions, components=components, layout=in_tabs([BOX, OUT], [22, 20]))


def test_text_comes_before_data() -> None:
    data: dict[int, Any] = {20: ("json", {"label": "Answer"})}
    assert planned(function("f", SUBMIT, [BOX], [20, OUT]), components=data).reply == OUT
    assert planned(function("f", SUBMIT, [BOX], [20]), components=data).reply == 20


def test_one_box_may_hold_the_question_and_the_reply() -> None:
    echo = function("echo", SUBMIT, [BOX], [BOX])
    assert (planned(echo).reply, first_inputs(planned(echo))) == (BOX, ["4?"])
    assert calls(planned(echo, function("ask", CLICK, [SYSTEM, BOX], [OUT]))) == [1]
    paint = function("paint", CLICK, [BOX], [20])
    with pytest.raises(SpaceInterfaceError, match="no chat that can be used"):
        planned(echo, paint, components={20: ("image", {})})


def test_of_two_chatbots_the_first_is_read() -> None:
    labels = {CHATBOT: ("chatbot", {"label": "A"}), 20: ("chatbot", {"label": "B"})}
    ask = function("ask", SUBMIT, [BOX, CHATBOT, 20], [CHATBOT, 20])
    a = function("a", THEN, [CHATBOT], [CHATBOT], trigger_after=0, streams=True)
    b = function("b", THEN, [20], [20], trigger_after=1, streams=True)
    plan = planned(ask, a, b, components=labels)
    assert (calls(plan), replies(plan)) == ([0, 1], [None, 0])
    assert plan.notes == ("2 chatbots answer side by side: 'A' is read, and not 'B'",)


@pytest.mark.parametrize("kind", ["json", "browserstate"])
def test_earlier_turns_go_into_the_query_where_an_unseen_component_keeps_them(kind: str) -> None:
    memory: dict[int, Any] = {20: (kind, {"value": [], "default_value": ["x"]})}
    chat = function("chat", SUBMIT, [BOX, CHATBOT, 20], [CHATBOT, 20])
    query, chatbot, kept = first_inputs(planned(chat, components=memory), NATIVE)
    assert (query, chatbot) == (f"System: Be brief.\n{FLAT}", [])
    assert kept == (["x"] if kind == "browserstate" else [])
    settings = function("chat", SUBMIT, [BOX, CHATBOT, 20], [CHATBOT])
    assert first_inputs(planned(settings, components=memory), NATIVE)[1] != []


def test_earlier_turns_go_into_the_query_where_no_function_reads_the_chatbot() -> None:
    chat = function("chat", SUBMIT, [BOX], [CHATBOT])
    assert first_inputs(planned(chat), NATIVE) == [f"System: Be brief.\n{FLAT}"]


def test_a_page_that_draws_its_chat_is_planned_when_it_has() -> None:
    draw = function("apply", LOAD, [STATE], [20], render_id=0)
    load = function("load", LOAD, [], [STATE])
    plan = planned(draw, load, components={20: ("column", {})})
    assert (calls(plan), plan.draws) == ([1, 0], True)
    assert planned(draw, load, RESPOND, components={20: ("column", {})}).draws is False


@pytest.mark.parametrize("api_name", ["/upload", "upload", 2, "2"])
def test_any_endpoint_that_answers_can_be_chosen(api_name: str | int) -> None:
    upload = function("upload", (20, "upload"), [20, BOX, CHATBOT], [CHATBOT])
    components: dict[int, Any] = {20: ("file", {})}
    assert calls(planned(USER, BOT, upload, components=components)) == [0, 1]
    plan = planned(USER, BOT, upload, components=components, api_name=api_name)
    assert calls(plan) == [2]
    assert plan.others == {"/user": ""}


def test_a_component_that_uploads_hands_over_its_files_first_if_there_are_any() -> None:
    add = function("add", (20, "upload"), [20, CHATBOT], [CHATBOT])
    plan = planned(USER, BOT, add, components={20: ("uploadbutton", {"label": "Upload"})})
    question = [{"role": "user", "content": "?"}]
    file = from_bytes("it", b"%PDF-1")
    steps = {
        count: Values(plan, prompt_from(question, files=[file] * count)).steps()
        for count in (0, 1, 2)
    }
    assert [[step.fn_index for step in each] for each in steps.values()] == [
        *([0, 1], [2, 0, 1], [2, 2, 0, 1])
    ]
    assert [step.nth for step in steps[2]] == [0, 1, 0, 0]
    assert "1. /add(Upload=<upload>, component 2=<history>), if there are files" in str(
        inspect_plan(plan)
    )


def test_a_later_step_chooses_its_chain() -> None:
    assert calls(planned(RESPOND, USER, {**BOT, "trigger_after": 1}, api_name="bot")) == [1, 2]


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
