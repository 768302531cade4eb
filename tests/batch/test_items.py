"""Prompts from files, tables and data frames are checked before anything is sent."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from qwen_gradio import InvalidItemsError
from qwen_gradio.batch import Outcome, run_sync

from ..support.batches import items_of
from ..support.servers import ScriptedSpace

FILES = {
    "a.jsonl": '{"prompt": "1+1?"}\n\n{"id": "two", "prompt": "1+2?", "system": "Be brief."}\r\n'
    '{"messages": [{"role": "user", "content": "1+3?"}]}',
    "a.csv": "\ufeffid,prompt,system,messages,note\n1,1+1?,,,x\ntwo,1+2?,Be brief.,,\n"
    '4,,,"[{""role"": ""user"", ""content"": ""1+3?""}]",\n',
    "a.json": '\ufeff\n[\n{"prompt": "1+1?"},\n'
    '{"id": "two", "prompt": "1+2?", "system": "Be brief."},\n'
    '{"id": 4, "messages": [{"role": "user", "content": "1+3?"}]}\n]\n',
    "b.json": '{"prompt": "1+1?"}\n{"id": "two", "prompt": "1+2?", "system": "Be brief."}\n\n'
    '{"messages": [{"role": "user", "content": "1+3?"}]}',
    "a.tsv": "id\tprompt\tsystem\n1\t1+1?\t\ntwo\t1+2?\tBe brief.\n4\t1+3?",
}


@pytest.mark.parametrize("name", FILES)
def test_items_are_read_from_each_kind_of_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8")
    items = {str(item.id): item.messages for item in items_of(path)}
    assert items == {
        "1": [{"role": "user", "content": "1+1?"}],
        "two": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+2?"}],
        "4": [{"role": "user", "content": "1+3?"}],
    }


def test_a_text_file_has_a_prompt_on_each_line(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("first\n\nthird, é\u2028here\n", encoding="utf-8")
    items = [(item.id, item.messages[-1]["content"]) for item in items_of(path, "Be brief.")]
    assert items == [(1, "first"), (3, "third, é\u2028here")]


@pytest.mark.parametrize("name", FILES)
def test_utf_16_is_read_if_it_begins_as_it_should(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FILES[name].removeprefix("\ufeff"), encoding="utf-16")
    assert [item.messages[-1]["content"] for item in items_of(path)] == ["1+1?", "1+2?", "1+3?"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv"])
def test_what_looks_like_utf_16_is_rejected(tmp_path: Path, name: str, encoding: str) -> None:
    path = tmp_path / name
    path.write_text("一\n二\n", encoding=encoding)
    with pytest.raises(InvalidItemsError, match="NUL bytes, and looks like UTF-16"):
        items_of(path)


def test_a_file_may_be_any_object_with_a_path(
    tmp_path: Path, out: Path, scripted: ScriptedSpace
) -> None:
    (tmp_path / "prompts.txt").write_text("first\nsecond\n")
    with os.scandir(tmp_path) as found:
        (prompts,) = found
    assert run_sync(prompts, out, space=scripted.url) == Outcome(2, 2, 0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_file_may_be_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=["first\nsecond\n"])
    writer.start()
    assert [item.messages[-1]["content"] for item in items_of(path)] == ["first", "second"]
    writer.join()


@pytest.mark.parametrize("end", [b"x", b"\x00\xd8"], ids=["half a character", "half a pair"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv"])
def test_utf_16_that_is_cut_off_is_rejected(tmp_path: Path, name: str, end: bytes) -> None:
    path = tmp_path / name
    path.write_bytes("prompt\n".encode("utf-16") + end)
    with pytest.raises(InvalidItemsError, match="is not UTF-16"):
        items_of(path)


def test_a_file_may_be_an_entry_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("1+1?\n")
    with os.scandir(tmp_path) as entries:
        (item,) = items_of(next(entries))
    assert item.messages == [{"role": "user", "content": "1+1?"}]


def test_prompts_may_come_from_a_generator() -> None:
    prompts = ({"id": f"q{number}", "prompt": "?"} for number in range(3))
    assert [item.id for item in items_of(prompts)] == ["q0", "q1", "q2"]


WRONG = [
    ('{"prompt": "x"', "is not JSON"),
    ("[" * 100_000, "is not JSON"),
    ("7", "must be a prompt or an object"),
    ("{}", "must have either prompt or messages, and has neither"),
    ('{"prompt": "x", "messages": []}', "either prompt or messages, and has both"),
    ('{"prompt": " "}', "prompt must be text"),
    ('{"prompt": 7}', "prompt must be text"),
    ('{"prompt": "x", "system": 7}', "system must be text"),
    ('{"prompt": "x", "id": [1]}', "id must be"),
    ('{"prompt": "x", "id": true}', "id must be"),
    ('{"prompt": "x", "id": 1}', "another item has the id 1"),
    ('{"messages": "x"}', "messages: not a list"),
    ('{"messages": []}', "the list is empty"),
    ('{"messages": [{"role": "user"}]}', r"messages\[0\] has no content"),
    ('{"prompt": "\\ud800"}', "not Unicode"),
    (b'{"prompt": "\xff"}', "not Unicode"),
    (b'{"prompt": "x", "id": "\xff"}', "not Unicode"),
]


@pytest.mark.parametrize(("line", "complaint"), WRONG, ids=[why for _, why in WRONG])
def test_an_invalid_line_is_reported_with_its_number(
    tmp_path: Path, line: str | bytes, complaint: str
) -> None:
    path = tmp_path / "a.jsonl"
    written = line if isinstance(line, bytes) else line.encode()
    path.write_bytes(b'{"prompt": "x"}\n\n' + written + b'\n{"prompt": "y"}\n')
    with pytest.raises(InvalidItemsError, match=rf"1 item cannot.*\n3: .*{complaint}"):
        items_of(path)


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        ('["x", 7]', r"\n2: must be a prompt or an object"),
        ('["x",\n"y"', "array is not JSON"),
        ('["\ud800", "x"]', r"\n1: .*not Unicode"),
    ],
)
def test_an_invalid_array_is_reported(tmp_path: Path, array: str, complaint: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(array, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(InvalidItemsError, match=complaint):
        items_of(path)


def test_a_cell_of_a_table_may_be_long(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"prompt\n{'x' * 10**6}\n")
    assert len(items_of(path)) == 1


@pytest.mark.parametrize("head", ["id,text", "Prompt", "id;prompt", "prompt,prompt", ""])
def test_a_table_without_a_header_is_rejected(tmp_path: Path, head: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{head}\n1,2\n")
    with pytest.raises(InvalidItemsError, match="first line must name the columns"):
        items_of(path)


def test_the_system_prompt_of_a_run_is_for_items_without_one() -> None:
    own = [{"role": "system", "content": "Mine."}, {"role": "user", "content": "?"}]
    items = items_of([{"messages": own}, {"prompt": "?", "system": "Mine."}, "?"], "Yours.")
    assert [item.messages[0]["content"] for item in items] == ["Mine.", "Mine.", "Yours."]


def test_messages_are_counted_without_the_system_prompt_of_their_item() -> None:
    item = {"messages": [{"role": "user"}], "system": "Mine."}
    with pytest.raises(InvalidItemsError, match=r"\n1: messages\[0\] has no content"):
        items_of([item])


def test_invalid_cells_of_a_table_are_reported_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('prompt,messages\n"two\nlines",\n,oops\n"x"y,\nHello, world,\n')
    expected = r"3 items.*\n4: is not JSON.*\n5: .*expected.*\n6: has more cells"
    with pytest.raises(InvalidItemsError, match=expected):
        items_of(path)


def test_only_the_first_of_many_invalid_lines_are_listed() -> None:
    with pytest.raises(InvalidItemsError) as caught:
        items_of(iter([7] * 1000))  # type: ignore[arg-type]
    assert str(caught.value).startswith("1000 items")
    assert len(str(caught.value).splitlines()) == 22
