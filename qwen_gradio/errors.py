"""Every error a caller can catch.

All of them are a `QwenGradioError`. Each also derives from the built-in exception with the same
meaning, so that code which does not know this package handles it correctly.
"""

from __future__ import annotations


class QwenGradioError(Exception):
    """Something went wrong between a question and its answer.

    :ivar partial: the reply text that had arrived.
    :ivar space: the Space that was asked, as it was given or is called now; None if none was.
    :ivar transient: whether the same question may be accepted a little later.
    :ivar retry_after: how many seconds later, if the Space said.
    :ivar may_be_outdated: whether the cause may be an outdated description of the Space.
    :ivar may_be_proxy: whether a proxy or placeholder page may have answered instead of the Space.
    :ivar may_be_lost_replica: whether the Space's cookies may lead to a replica that is gone.
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
    """There is no such model. Lists those there are. Raised before any network access."""


class SpaceUnavailableError(QwenGradioError, ConnectionError):
    """The Space cannot be reached, is not running, or is not a Gradio app. Check its address.

    :ivar stage: the Space's stage on the hub, such as "PAUSED", if that was looked up.
    :ivar is_down: whether the Space does not run in that stage.
    :ivar is_starting: whether it will run if it is waited for.
    """

    stage: str | None = None
    is_down: bool = False
    is_starting: bool = False


class SpaceInterfaceError(QwenGradioError):
    """The Space runs, but offers no chat that can be used, or its reply is not in the form of one.

    Also raised, before anything is sent, for `files` and `inputs` that it does not accept; the
    message says what it accepts.

    :ivar is_malformed_reply: whether only the form of this reply is wrong.
    :ivar is_about_files: whether the Space would answer without the files.
    """

    is_malformed_reply: bool = False
    is_about_files: bool = False


class AuthenticationError(QwenGradioError, PermissionError):
    """The Space requires a token or a login, or rejected it: see `api_key` and `auth`."""


class QueueFullError(QwenGradioError):
    """The Space's queue is full. Ask again later."""

    transient = True


class RateLimitError(QwenGradioError):
    """The Space received too many requests from this caller, or its GPU quota for them is spent.

    Ask later, or give an `api_key`.
    """

    transient = True


class GenerationError(QwenGradioError):
    """The Space's own code failed while answering, or rejected the question.

    The message is the app's own, prefixed with its title.
    """


class StreamInterruptedError(QwenGradioError, ConnectionError):
    """The reply ended early: the connection was lost, or the stream closed. See `partial`."""


class StreamTimeoutError(QwenGradioError, TimeoutError):
    """`timeout` or `stream_timeout` expired. `partial` has the text so far."""


class InvalidItemsError(QwenGradioError, ValueError):
    """Items of a batch cannot be asked. Nothing was sent. Fix the lines that it names."""


class OutputError(QwenGradioError, OSError):
    """The file for a batch's rows cannot be used: another run has it, or it is another file."""
