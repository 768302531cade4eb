"""The lines for each tool in the endpoint's README, run verbatim but for the endpoint's address."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.endpoints import endpoint
from ..support.servers import ROOT, ScriptedSpace, python_with

pytestmark = pytest.mark.usefixtures("server")

README = (ROOT / "qwen_gradio/api/README.md").read_text("utf-8")
SECTION = re.split(r"^##+ ", README, flags=re.MULTILINE)
(TOOLS,) = (text for text in SECTION if text.startswith("Tools\n"))
PYTHON = dict(enumerate(re.findall(r"^```python\n(.*?)^```", TOOLS, re.MULTILINE | re.DOTALL)))[0]
EXPORTS = re.findall(r"^export .*$", TOOLS, re.MULTILINE)
ROWS = {
    tool: (first, line)
    for tool, first, line in re.findall(r"^\| (.+?) \| (.+?) \| `(.+)` \|$", TOOLS, re.MULTILINE)
}
IN_SHELL = [tool for tool, (first, _) in ROWS.items() if first.startswith("in a shell")]
IN_JAVASCRIPT = [tool for tool, (first, _) in ROWS.items() if first.startswith("`import {")]
IN_PYTHON = [tool for tool in ROWS if tool not in {*IN_SHELL, *IN_JAVASCRIPT}]
ENVIRONMENTS = {
    "DSPy": "agents",
    "LlamaIndex": "agents",
    "OpenAI Agents SDK 0.20": "agents",
    "smolagents 1.26": "agents",
    "lm-evaluation-harness": "lm-eval",
}
"""The tools that are not installed here, and the environments that have them."""
README_ADDRESS = "http://127.0.0.1:8000/v1"

INSPECT_TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes


@task
def capitals():
    question = "What is the capital of France?"
    return Task(dataset=[Sample(question, target="Paris")], scorer=includes())
"""
LM_EVAL_TASK = """
task: capitals
dataset_path: json
dataset_kwargs: {data_files: {test: capitals.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
filter_list:
  - name: city
    filter: [{function: regex, regex_pattern: "(Paris)"}, {function: take_first}]
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""
LM_EVAL_DATA = '{"question": "What is the capital of France?", "answer": "Paris"}\n'


@pytest.fixture(scope="module")
def url(embedded: str) -> Iterator[str]:
    """An endpoint whose models are all the embedded one."""
    with endpoint(space=embedded) as url:
        yield url


def shell(tool: str, script: str, folder: Path, url: str, space: str) -> str:
    """Run lines in a shell with the README's exports; what they write."""
    python = python_with(ENVIRONMENTS.get(tool, "6"))
    path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
    lines = "\n".join([*EXPORTS, script]).replace(README_ADDRESS, url)
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "INSPECT_DISPLAY": "plain"}
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub")}
    found = subprocess.run(
        ["bash", "-e", "-c", lines],
        cwd=folder,
        env=os.environ | quiet | offline | {"PATH": path, "QWEN_GRADIO_SPACE": space},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_the_openai_clients_lines_stream_an_answer(scripted: ScriptedSpace, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    with endpoint(space=scripted.url) as url:
        script.write_text(PYTHON.replace(README_ADDRESS, url))
        found = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert found.stdout == "What is the capital of France?"


@pytest.mark.slow
@pytest.mark.parametrize("tool", IN_PYTHON)
def test_a_line_of_python_gets_an_answer(
    tool: str, url: str, embedded: str, tmp_path: Path
) -> None:
    (messages,) = re.findall(r"^messages = .*$", PYTHON, re.MULTILINE)
    first, line = ROWS[tool]
    (tmp_path / "script.py").write_text("\n".join([messages, first.strip("`"), f"print({line})"]))
    assert "is Paris." in shell(tool, "python script.py", tmp_path, url, embedded)


@pytest.fixture(scope="module")
def node_folder() -> Path:
    """A folder where node finds the tools."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = ROOT / ".cache" / "node-tools"
    folder.mkdir(parents=True, exist_ok=True)
    packages = ["ai@6", "@ai-sdk/openai@3", "@langchain/openai@1", "@langchain/core@1"]
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder)]
    subprocess.run([*command, *packages], check=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("tool", IN_JAVASCRIPT)
def test_a_line_of_javascript_gets_an_answer(
    tool: str, url: str, embedded: str, node_folder: Path
) -> None:
    first, line = ROWS[tool]
    (node_folder / "script.mjs").write_text(f"{first.strip('`')}\nconsole.log({line})\n")
    assert "is Paris." in shell(tool, "node script.mjs", node_folder, url, embedded)


ANSWERS = {
    "curl": "data: [DONE]",
    "lm-evaluation-harness": "|exact_match|↑  |    1|",
    "Inspect, without the endpoint": "accuracy  1.000",
}


def test_every_command_is_run() -> None:
    assert list(ANSWERS) == IN_SHELL


@pytest.mark.slow
@pytest.mark.parametrize("tool", ANSWERS)
def test_a_command_gets_answers(tool: str, url: str, embedded: str, tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text(INSPECT_TASK)
    (tmp_path / "capitals.yaml").write_text(LM_EVAL_TASK)
    (tmp_path / "capitals.jsonl").write_text(LM_EVAL_DATA)
    assert ANSWERS[tool] in shell(tool, ROWS[tool][1], tmp_path, url, embedded)
