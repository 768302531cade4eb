"""Use a Gradio Space as a chat model, and stream its replies.

Names are imported on first use, and gradio_client with the first question.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import AuthenticationError as AuthenticationError
from .errors import GenerationError as GenerationError
from .errors import InvalidItemsError as InvalidItemsError
from .errors import InvalidMessagesError as InvalidMessagesError
from .errors import ModelNotFoundError as ModelNotFoundError
from .errors import OutputError as OutputError
from .errors import QueueFullError as QueueFullError
from .errors import QwenGradioError as QwenGradioError
from .errors import RateLimitError as RateLimitError
from .errors import SpaceInterfaceError as SpaceInterfaceError
from .errors import SpaceUnavailableError as SpaceUnavailableError
from .errors import StreamInterruptedError as StreamInterruptedError
from .errors import StreamTimeoutError as StreamTimeoutError

__version__ = "0.3.0"

if TYPE_CHECKING:
    from . import batch as batch
    from . import notebook as notebook
    from ._messages import Messages as Messages
    from ._models import Qwen_Qwen_2_5 as Qwen_Qwen_2_5
    from ._models import Qwen_Qwen_2_5_Max as Qwen_Qwen_2_5_Max
    from ._models import Qwen_Qwen_2_72B as Qwen_Qwen_2_72B
    from ._models import Qwen_Qwen_3 as Qwen_Qwen_3
    from ._models import Qwen_Qwen_3_VL as Qwen_Qwen_3_VL
    from ._models import providers as providers
    from ._page.inspection import Inspection as Inspection
    from ._page.inspection import SpaceInput as SpaceInput
    from ._reply import Progress as Progress
    from ._reply import StreamStatus as StreamStatus
    from ._reply_files import ReplyFile as ReplyFile
    from ._stream import FragmentStream as FragmentStream
    from ._worker import generate_session_hash as generate_session_hash
    from .chat import Chat as Chat
    from .provider import Provider as Provider
    from .sync import Fragments as Fragments
    from .sync import ask as ask
    from .sync import inspect as inspect
    from .sync import stream as stream

_HOME = {
    "provider": ["Provider"],
    "_models": [
        *("Qwen_Qwen_2_5", "Qwen_Qwen_2_5_Max", "Qwen_Qwen_2_72B", "Qwen_Qwen_3", "Qwen_Qwen_3_VL"),
        "providers",
    ],
    "_messages": ["Messages"],
    "_page.inspection": ["Inspection", "SpaceInput"],
    "_reply_files": ["ReplyFile"],
    "_stream": ["FragmentStream"],
    "sync": ["Fragments", "ask", "inspect", "stream"],
    "chat": ["Chat"],
    "_reply": ["Progress", "StreamStatus"],
    "_worker": ["generate_session_hash"],
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted([*_MODULE_OF, *(name for name in globals() if name.endswith("Error"))])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name in ("batch", "notebook"):
        return import_module(f"{__name__}.{name}")
    if name == "StatusUpdate":  # the old name, which gradio_client also uses
        warnings.warn("StatusUpdate is now StreamStatus", DeprecationWarning, stacklevel=2)
        name = "StreamStatus"
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
