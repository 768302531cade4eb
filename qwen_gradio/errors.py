"""Every error a caller can catch.

Every error is a `QwenGradioError`. Most also derive from the built-in exception with the same
meaning, for code that does not know this package.
"""

from __future__ import annotations


class QwenGradioError(Exception):
    """Something went wrong between a question and its answer.

    :ivar partial: the text of the reply that had arrived.
    :ivar space: the Space as given by the caller, or its new name; None if none was asked.
    :ivar transient: whether the same question may be accepted a little later.
    :ivar retry_after: seconds to wait before asking again, if the Space said.
    :ivar may_be_outdated: whether the cached description of the Space may be the cause.
    :ivar may_be_proxy: whether a proxy or placeholder page may have answered instead of the Space.
    :ivar may_be_lost_replica: whether the Space's cookies may point to a replica that is gone.
    """

    partial: str = ""
    space: str | None = None
    transient: bool = False
    retry_after: float | None = None
    may_be_outdated: bool = False
    may_be_proxy: bool = False
    may_be_lost_replica: bool = False


class InvalidMessagesError(QwenGradioError, ValueError):
    """The messages cannot be sent. Raised before any network access. Fix the message it names."""


class ModelNotFoundError(QwenGradioError, ValueError):
    """There is no such model. Lists the known models. Raised before any network access."""


class SpaceUnavailableError(QwenGradioError, ConnectionError):
    """The Space cannot be reached, is not running, or is not a Gradio app. Check its address.

    :ivar stage: the Space's stage on the Hub, such as "PAUSED", if it was looked up.
    :ivar is_down: whether a Space in that stage does not run.
    :ivar is_starting: whether the Space is starting: it will answer later.
    """

    stage: str | None = None
    is_down: bool = False
    is_starting: bool = False


class SpaceInterfaceError(QwenGradioError):
    """The Space runs, but offers no usable chat, or its reply is not a chat's.

    Also raised, before anything is sent, for `files` and `inputs` that the Space does not accept.
    The message says what it accepts.

    :ivar is_malformed_reply: whether the Space has a chat, but this reply is malformed.
    :ivar is_about_files: whether the Space rejected only the files.
    """

    is_malformed_reply: bool = False
    is_about_files: bool = False


class AuthenticationError(QwenGradioError, PermissionError):
    """The Space requires a token or a login, or rejected it. See `api_key` and `auth`."""


class QueueFullError(QwenGradioError):
    """The Space's queue is full. Ask again later."""

    transient = True


class RateLimitError(QwenGradioError):
    """The Space received too many requests from this caller, or the caller's GPU quota is spent.

    Ask again later, or pass an `api_key`.
    """

    transient = True


class GenerationError(QwenGradioError):
    """The Space's own code failed while answering, or rejected the question.

    The message is the app's own, prefixed with its title.
    """


class StreamInterruptedError(QwenGradioError, ConnectionError):
    """The reply ended early: the connection was lost, or the stream was closed. See `partial`."""


class StreamTimeoutError(QwenGradioError, TimeoutError):
    """`timeout` or `stream_timeout` expired. `partial` has the text so far."""


class InvalidItemsError(QwenGradioError, ValueError):
    """Items of a batch cannot be asked. Nothing was sent. Fix the items it names."""


class OutputError(QwenGradioError, OSError):
    """The output file of a batch cannot be used: another run has it open, or it holds no rows."""
