"""Links to a reply's files follow its text, where a reply is only text."""

from __future__ import annotations

import pytest

from qwen_gradio._files.links import links_after
from qwen_gradio._openai import complete_text, cut
from qwen_gradio._reply import FoundFile


class Reply:
    partial = "one END two"
    files = (FoundFile("http://space/file=/a.png", "image/png", "red"),)


LINK = "![red](http://space/file=/a.png)"


@pytest.mark.parametrize(
    ("file", "link"),
    [
        (Reply.files[0], LINK),
        (
            FoundFile("https://x/a%20b.pdf?q", "application/pdf", ""),
            "[a b.pdf](https://x/a%20b.pdf?q)",
        ),
        (FoundFile("https://x/y", "image/png", "a [b]\nc"), "![a \\[b\\] c](https://x/y)"),
        (FoundFile("https://x/(y) z", "audio/wav", "z"), "[z](https://x/%28y%29%20z)"),
    ],
)
def test_a_picture_is_shown_and_any_other_file_is_a_link(file: FoundFile, link: str) -> None:
    assert links_after("", [file]) == link
    assert links_after("text", [file, file]) == f"\n\n{link}\n{link}"


def test_a_reply_without_files_is_its_text() -> None:
    assert links_after("text", []) == links_after("", []) == ""


def test_links_follow_only_a_complete_reply_and_are_not_searched_for_stop_sequences() -> None:
    pieces = ["one ", "END two"]
    for stops, text in ((["END"], "one "), (["!", "http"], f"one END two\n\n{LINK}")):
        assert "".join(map(str, cut(pieces, stops, Reply()))) == text
        assert complete_text(Reply(), stops) == text
