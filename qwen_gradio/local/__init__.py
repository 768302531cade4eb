"""The embedded Space: a Gradio app with Qwen2.5-Max's endpoints and a small offline model.

Needs the extra `local`. `running` is imported on first use, as importing Gradio takes a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._space import running as running

__all__ = ["running"]


def __getattr__(name: str) -> Any:
    if name != "running":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ._space import running

    return running
