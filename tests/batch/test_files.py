"""An item's files are read from the directory of the prompts' file, and from nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qwen_gradio import InvalidItemsError, OutputError
from qwen_gradio.batch import Outcome, run_sync

from ..support.batches import items_of, rows
from ..support.samples import DATA_URL, PNG, png
from ..support.servers import Zoo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with pictures, beside a file that is none of its own."""
    inside = tmp_path / "inside"
    (inside / "more").mkdir(parents=True)
    (inside / "red.png").write_bytes(PNG)
    (inside / "more" / "wide.png").write_bytes(png(9, 1))
    (inside / "text.png").write_text("no picture")
    (tmp_path / "secret.png").write_bytes(PNG)
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    (inside / "folder").symlink_to(tmp_path)
    return inside


def written(folder: Path, *files: Any) -> Path:
    path = folder / "prompts.jsonl"
    lines = [json.dumps({"prompt": "what", "files": file}) for file in files]
    path.write_text("\n".join(lines))
    return path


def test_files_go_with_their_item(seeing: str, folder: Path, out: Path) -> None:
    path = written(folder, "red.png", ["more/wide.png", DATA_URL], "more/../red.png", None)
    assert run_sync(path, out, space=seeing) == Outcome(4, 4, 0)
    assert {row["id"]: row["reply"] for row in rows(out)} == {
        1: "what image 3x2",
        2: "what image 9x1 and image 3x2",
        3: "what image 3x2",
        4: "what nothing",
    }


def test_a_table_names_one_file_or_a_list(seeing: str, folder: Path) -> None:
    path = folder / "prompts.csv"
    path.write_text('prompt,files\nwhat,red.png\nwhat,"[""red.png"", ""more/wide.png""]"\n')
    replies = [row["reply"] for row in run_sync(path, space=seeing)]
    assert replies == ["what image 3x2", "what image 3x2 and image 9x1"]


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("../secret.png", "not inside the directory"),
        ("more/../../secret.png", "not inside the directory"),
        ("link.png", "not inside the directory"),
        ("folder/secret.png", "not inside the directory"),
        ("/etc/passwd", "not inside the directory"),
        ("none.png", "cannot be read"),
        ("more", "is not a file"),
        ("red.png\0", "null"),
        ("text.png", "not of the type image/png"),
        ("file:///etc/passwd", "must be a data: or an https: URL"),
        ("http://10.0.0.1/a.png", "must be a data: or an https: URL"),
        ("https://ada:secret@example.org/a.png", "a user name or a password"),
        ("data:image/png,x", "must be data:TYPE;base64"),
        (7, "must be a path or a URL"),
        ({"path": "red.png"}, "must be a path or a URL"),
        (["red.png", None], "must be a path or a URL"),
        (["red.png"] * 21, "21 files cannot be sent at once"),
    ],
    ids=repr,
)
def test_other_files_are_rejected_with_their_item(folder: Path, file: Any, complaint: str) -> None:
    with pytest.raises(InvalidItemsError, match=rf"1 item cannot.*\n2: .*{complaint}"):
        items_of(written(folder, "red.png", file))


def test_an_absolute_path_into_the_directory_is_rejected_as_well(folder: Path) -> None:
    with pytest.raises(InvalidItemsError, match="not inside"):
        items_of(written(folder, str(folder / "red.png")))


def test_prompts_in_python_may_have_files_from_anywhere(seeing: str, folder: Path) -> None:
    files: list[Any] = [folder / "link.png", str(folder / "red.png"), PNG, [PNG, DATA_URL]]
    prompts: list[Any] = [{"prompt": "what", "files": file} for file in files]
    replies = [row["reply"] for row in run_sync(prompts, space=seeing)]
    assert replies == [*["what image 3x2"] * 3, "what image 3x2 and image 3x2"]
    with (folder / "red.png").open("rb") as opened:
        with pytest.raises(InvalidItemsError, match="path, a URL or bytes"):
            items_of([{"prompt": "what", "files": opened}])


def test_a_row_is_not_taken_for_the_reply_to_another_file(
    seeing: str, folder: Path, out: Path
) -> None:
    run_sync(written(folder, "red.png"), out, space=seeing)
    (folder.parent / "elsewhere").mkdir()
    moved = folder.rename(folder.parent / "elsewhere" / "inside")
    assert run_sync(moved / "prompts.jsonl", out, space=seeing) == Outcome(1, 1, 0)
    with pytest.raises(OutputError, match="a reply to another question"):
        run_sync(written(moved, "more/wide.png"), out, space=seeing)


def test_a_file_that_vanishes_fails_its_item_alone(seeing: str, folder: Path) -> None:
    def remove(_: object) -> None:
        (folder / "red.png").unlink(missing_ok=True)

    path = written(folder, None, "red.png", "more/wide.png")
    first, second, third = run_sync(path, space=seeing, concurrency=1, on_status=remove)
    assert (first["reply"], third["reply"]) == ("what nothing", "what image 9x1")
    assert second["error"] == "InvalidMessagesError"
    assert "cannot be read" in str(second["why"])


def test_a_row_names_the_files_of_its_reply(drawing: Zoo, out: Path) -> None:
    run_sync(["draw"], out, space=drawing.url_of("pictures-only"))
    (row,) = rows(out)
    assert (row["reply"], row["error"]) == ("", None)
    assert [file.rpartition("/")[2] for file in row["files"]] == ["qwen-gradio-red.png"]
