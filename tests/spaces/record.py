"""Record how apps describe themselves.

`python -m tests.spaces.record` records each app of the zoo anew, and
`python -m tests.spaces.record KIND SPACE CALL...` a Space, as KIND, with the functions that its
page calls for one question, by number: `fn_index` in what a browser sends to `queue/join`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from qwen_gradio._access import Access
from qwen_gradio._gradio.space import describe

from ..support.servers import PATIENCE, QUIET, SPACES, python_with, zoo_program
from .recordings import FOLDER, RECORDINGS, recording

FORMS = {
    "4.44.1": "pairs",
    "5.49.1": "messages",
    "6": "messages",
    "qwen-2.5": "pairs",
    "qwen-3": "messages",
}
"""The form of history that a recording has, as most apps of that time have it."""

PROPS = {
    "_api_info",
    "choices",
    "default_value",
    "elem_id",
    "file_count",
    "file_types",
    "interactive",
    "items",
    "label",
    "maximum",
    "minimum",
    "reasoning_tags",
    "step",
    "type",
    "upload_config",
    "value",
    "visible",
}
DEPENDENCY = {
    "api_name",
    "api_visibility",
    "backend_fn",
    "cancels",
    "component_prop_inputs",
    "id",
    "inputs",
    "js",
    "outputs",
    "queue",
    "render_id",
    "show_api",
    "targets",
    "trigger_after",
    "trigger_mode",
    "trigger_only_on_failure",
    "trigger_only_on_success",
    "types",
}
PARAMETER = {"component", "label", "parameter_default", "parameter_has_default", "parameter_name"}


def described(gradio: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each kind of app that runs on this Gradio, and its recording."""
    done = subprocess.run(
        [python_with(gradio), SPACES / zoo_program(gradio), "--form", FORMS[gradio], "--describe"],
        env=os.environ | QUIET,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=20 * PATIENCE,
    )
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            told = json.loads(line)
            yield (
                told["tag"],
                {
                    "gradio": told["config"]["version"],
                    "page_calls": told["page_calls"],
                    "config": trimmed_config(told["config"]),
                    "info": trimmed_info(told["info"]),
                },
            )


def trimmed_config(config: dict[str, Any]) -> dict[str, Any]:
    """What matters of a /config: the dependencies, the components that they name, and tabs."""
    dependencies = [only(DEPENDENCY, dependency) for dependency in config["dependencies"]]
    for dependency in dependencies:
        if dependency.pop("js", None) is not None:
            dependency["js"] = True  # the code itself is for a browser
    used = {
        component
        for dependency in dependencies
        for component in [
            *dependency["inputs"],
            *dependency["outputs"],
            *(target for target, _ in dependency["targets"]),
        ]
    }
    return {
        "version": config["version"],
        "protocol": config["protocol"],
        "api_prefix": config.get("api_prefix", ""),
        "components": [
            {
                "id": component["id"],
                "type": component["type"],
                "props": only(PROPS, component["props"]),
            }
            for component in config["components"]
            if component["id"] in used or component["type"] == "tabitem"
        ],
        "layout": config["layout"],
        "dependencies": dependencies,
    }


def trimmed_info(info: dict[str, Any]) -> dict[str, Any]:
    return {
        group: {
            name: {
                "parameters": [only(PARAMETER, given) for given in endpoint["parameters"]],
                "returns": [only(PARAMETER, given) for given in endpoint["returns"]],
            }
            for name, endpoint in endpoints.items()
        }
        for group, endpoints in info.items()
    }


def only(fields: set[str], of: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in of.items() if field in fields}


def written(value: Any, levels: int = 3) -> str:
    """JSON with a line for each component, dependency and endpoint."""
    if levels and value and isinstance(value, dict):
        items = [f"{json.dumps(k)}: {written(v, levels - 1)}" for k, v in sorted(value.items())]
        return "{\n" + ",\n".join(items) + "\n}"
    if levels and isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(written(item, 0) for item in value) + "\n]"
    return json.dumps(value, sort_keys=True)


def save(kind: str, recorded: dict[str, Any]) -> None:
    name = f"{kind}-{recorded['gradio'].split('.')[0]}"
    (FOLDER / f"{name}.json").write_text(written(recorded) + "\n")


def record_zoo() -> None:
    for name in RECORDINGS:
        if "space" not in recording(name):  # what a Space said may not be had again
            (FOLDER / f"{name}.json").unlink()
    for gradio in FORMS:
        for kind, recorded in described(gradio):
            save(kind, recorded)


def record_space(kind: str, space: str, page_calls: list[int]) -> None:
    found = describe(Access.parse(space)).client
    recorded = {
        "space": space,
        "gradio": found.config["version"],
        "page_calls": page_calls,
        "config": trimmed_config(found.config),
        "info": trimmed_info(found._info),
    }
    save(kind, recorded)


if __name__ == "__main__":
    if sys.argv[1:]:
        record_space(sys.argv[1], sys.argv[2], [int(call) for call in sys.argv[3:]])
    else:
        record_zoo()
