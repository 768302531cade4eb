"""The embedded Space: a Gradio app with the real one's endpoints and a small offline model.

Needs the extra `local`. `running` is imported when first used, as Gradio takes a second to load.
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
