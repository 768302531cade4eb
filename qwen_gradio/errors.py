"""Every error a caller can catch.

All of them are a `QwenGradioError`. Each also derives from the built-in exception that says the
same, so that code which knows nothing of this package still does the right thing.
"""

from __future__ import annotations


class QwenGradioError(Exception):
    """Something went wrong between a question and its answer.

    :ivar partial: the reply text that had arrived by then.
    :ivar space: the Space that was asked, as it was given; None if none was.
    :ivar transient: whether the same question may well be taken a little later.
    :ivar retry_after: how many seconds later, if the Space said.
    """

    partial: str = ""
    space: str | None = None
    transient: bool = False
    retry_after: float | None = None


class InvalidMessagesError(QwenGradioError, ValueError):
    """The messages cannot be sent. Raised before any network access; mend the message it names."""


class ModelNotFoundError(QwenGradioError, ValueError):
    """The provider has no such model; names those it has. Raised before any network access."""


class SpaceUnavailableError(QwenGradioError, ConnectionError):
    """The Space cannot be reached, is not running, or is not a Gradio app. Check its address."""


class SpaceInterfaceError(QwenGradioError):
    """The Space runs, but offers no chat that can be used, or answers in a form that is not one.

    :ivar of_reply: whether it is only this reply that has another form.
    """

    of_reply: bool = False


class AuthenticationError(QwenGradioError, PermissionError):
    """The Space wants a token or a login, or refused the one given: see `api_key`."""


class QueueFullError(QwenGradioError):
    """The Space takes no more requests for now. Ask again later."""

    transient = True


class RateLimitError(QwenGradioError):
    """The Space has had too many requests from here. Ask again later, or give an `api_key`."""

    transient = True


class GenerationError(QwenGradioError):
    """The Space's own code failed while answering; its words are the message."""


class StreamInterruptedError(QwenGradioError, ConnectionError):
    """The connection or the Space broke while replying. `partial` has the text up to there."""


class StreamTimeoutError(QwenGradioError, TimeoutError):
    """`timeout` or `stream_timeout` passed. `partial` has the text up to there."""


class InvalidItemsError(QwenGradioError, ValueError):
    """Items of a batch cannot be asked. Mend the lines that it names; nothing was sent."""


class OutputError(QwenGradioError, OSError):
    """The file for a batch's rows cannot be used: another run writes to it, or it holds others."""
