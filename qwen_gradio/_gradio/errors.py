"""Errors of httpx and gradio_client, and a Space's HTTP statuses, to our own errors."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import gradio_client
from gradio_client.exceptions import AppError

from .._access import is_on_hub
from ..errors import (
    AuthenticationError,
    GenerationError,
    QueueFullError,
    QwenGradioError,
    RateLimitError,
    SpaceUnavailableError,
    StreamInterruptedError,
    StreamTimeoutError,
)
from .seam import httpx

QUOTA = re.compile(r"GPU quota|GPU\b.*\bruns limit", re.IGNORECASE | re.DOTALL)
"""ZeroGPU's messages for a user whose GPU time is spent."""
REJECTED = (400, 413, 422)
"""Statuses of a question that the app, by its `validator`, or a server in between rejects. Another
question may be accepted."""
MAX_REASON = 2**16
"""Maximum bytes to read of such a response."""
MAX_RETRY_AFTER = 365 * 86400.0
"""Maximum seconds of a Retry-After. A Space may send any number, and dates overflow."""
IF_PRIVATE = "If the Space is private, pass a token that can read it as api_key"
IF_UNTRUSTED = (
    "If an authority of your own signed it, name a file of its certificates in SSL_CERT_FILE"
)


def connect_errors(space: str) -> AbstractContextManager[None]:
    """Translate any exception raised before the Space accepted the question.

    gradio_client's `AppError`, which the app itself raises, is left to the caller.
    """
    return _translate(_to_connect_error, space)


def reply_errors(space: str) -> AbstractContextManager[None]:
    """Translate any exception raised once the Space has accepted the question."""
    return _translate(_to_reply_error, space)


@contextmanager
def _translate(convert: Callable[[str, Exception], QwenGradioError], space: str) -> Iterator[None]:
    try:
        yield
    except (QwenGradioError, AppError):
        raise
    except Exception as error:
        raise (_internal_error(error) if _is_bug(error) else convert(space, error)) from error


def _to_connect_error(space: str, error: Exception) -> QwenGradioError:
    if isinstance(error, (httpx.ReadTimeout, httpx.WriteTimeout)):
        return StreamTimeoutError(f"{space} did not answer in time: {error}")
    is_unlike = isinstance(error, (httpx.DecodingError, httpx.TooManyRedirects))
    if is_unlike or not isinstance(error, (httpx.HTTPError, httpx.InvalidURL)):
        unlike = SpaceUnavailableError(f"{space} is not a Gradio app: {error!r:.300}")
        unlike.may_be_proxy = unlike.may_be_outdated = True
        return unlike
    # A `ProxyError` names the proxy, and its cause is the failure there.
    is_proxy = isinstance(error, httpx.ProxyError)
    text = str(error) if is_proxy else f"{space} cannot be reached: {error}"
    if isinstance(root_of(error), ssl.SSLCertVerificationError):
        text += f". {IF_UNTRUSTED}"
    unavailable = SpaceUnavailableError(text)
    unavailable.transient = _is_transient((is_proxy and error.__cause__) or error)
    return unavailable


def _to_reply_error(space: str, error: Exception) -> QwenGradioError:
    if isinstance(error, (httpx.ReadTimeout, httpx.WriteTimeout)):
        seconds = error.request.extensions["timeout"]["read"]
        return StreamTimeoutError(f"{space} sent nothing for {seconds:g} seconds")
    if isinstance(error, EOFError):
        return StreamInterruptedError(f"{space} ended the reply early: {error}")
    if isinstance(error, httpx.HTTPError) and not isinstance(error, httpx.DecodingError):
        return StreamInterruptedError(f"The connection to {space} was lost: {error!r}")
    return StreamInterruptedError(
        f"{space} sent something that is not Gradio's protocol: {error!r:.300}"
    )


def _is_bug(error: Exception) -> bool:
    """Whether only a bug here or a change in gradio_client can cause this, not a Space's answer."""
    if isinstance(error, AttributeError):  # on a JSON value, the Space caused it
        return not isinstance(error.obj, (dict, list, str, int, float, type(None)))
    if isinstance(error, TypeError):  # wrong arguments in a call
        return re.search(r"(positional|keyword)(-only)? argument", str(error)) is not None
    return isinstance(error, (NameError, ImportError, NotImplementedError, AssertionError))


def _internal_error(error: Exception) -> QwenGradioError:
    return QwenGradioError(
        f"gradio_client {gradio_client.__version__} does not do what this version of qwen-gradio "
        f"expects, or this is a bug: {error!r:.300}. Please report it with its traceback"
    )


def error_from_app(failure: AppError, step: str = "") -> QwenGradioError:
    """Return the error for one that the app's own code has raised.

    :param step: the name of the step, if there are several.
    """
    text = str(failure)
    if failure.title != "Error":  # Gradio's default
        text = f"{failure.title}: {text}"
    if "has not enabled verbose error reporting" in text:
        text = "The Space failed and gave no reason; only its author can make it give one"
    if QUOTA.search(text):
        error: QwenGradioError = RateLimitError(text)
        error.retry_after = _parse_wait(text)
        error.transient = error.retry_after is not None  # a quota is not refilled within seconds
        return error
    return GenerationError(f"{step} failed: {text}" if step else text)


def _parse_wait(text: str) -> float | None:
    """Return the seconds in a text that contains a timedelta as Python prints it."""
    found = re.search(r"again in (?:(\d{1,3}) days?, )?(\d{1,3}):(\d\d):(\d\d)", text)
    if found is None:
        return None
    days, hours, minutes, seconds = (float(number or 0) for number in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def error_from_status(
    space: str, response: httpx.Response, proxy: object = None
) -> QwenGradioError:
    """Return the error for a response's status code.

    :param proxy: the proxy it came through. Over HTTP, the proxy itself may have answered.
    """
    code, path = response.status_code, response.url.path
    status = f"{code} {response.reason_phrase}".strip()
    if "location" in response.headers:
        status += f" that points to {response.headers['location']!r:.200}"
    is_forwarded = proxy is not None and response.url.scheme == "http"
    through = f" through the proxy {proxy}" if is_forwarded else ""
    has_token = "x-hf-authorization" in response.request.headers
    hint = "" if has_token or not is_on_hub(response.url.host) else f". {IF_PRIVATE}"
    is_joining = path.endswith("/queue/join")
    # Only these responses have the app's own reason.
    reason = _reason(response) if is_joining and code in (*REJECTED, 503) else ""
    error: QwenGradioError
    if code == 429:
        error = RateLimitError(f"{space} has received too many requests")
    elif code == 407:
        error = SpaceUnavailableError(
            f"The proxy {proxy} wants a user name and password, or rejected them ({status})"
        )
    elif path.endswith("/login") and code in (400, 401):
        error = AuthenticationError(
            f"{space} rejected auth ({status}): the user name or the password is wrong{hint}"
        )
    elif path.endswith("/login") and (code in (404, 405) or _leads_away_from_login(response)):
        error = AuthenticationError(f"{space} does not use a login ({status}). Remove `auth`{hint}")
    elif code in (401, 403):
        error = AuthenticationError(
            f"{space} denied access ({status}{through}): give an api_key or auth{hint}"
        )
    elif code == 413 and path.endswith("/upload"):
        error = GenerationError(f"{space} rejected a file ({status}{through}): it is too large")
    elif code in REJECTED and is_joining:
        why = f": {reason}" if reason else ""
        error = GenerationError(f"{space} rejected the question ({status}{through}){why}")
    elif code == 503 and reason.startswith("Queue is full"):
        error = QueueFullError(f"The queue of {space} is full")
    else:
        not_found = hint if code == 404 else ""
        error = SpaceUnavailableError(f"{space} answered {status} for {path}{through}{not_found}")
        is_page = response.headers.get("content-type", "").startswith("text/html")
        error.may_be_proxy = code in (502, 503) or is_page
        # A load balancer answers so if it has not passed the question on.
        is_not_sent = is_joining and code == 503
        error.may_be_lost_replica = is_not_sent and "cookie" in response.request.headers
    # Joining fails with 500 if there is no such function, and with 422 if its number is not one.
    error.may_be_outdated = code in (401, 403, 404, 405) or (is_joining and code in (422, 500))
    error.retry_after = _parse_retry_after(response.headers.get("retry-after", ""))
    return error


def _reason(response: httpx.Response) -> str:
    """Return an app's reason for rejecting a question; "" if it gives none."""
    body = bytearray()
    with suppress(httpx.HTTPError):
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > MAX_REASON:
                break
    try:
        answered = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    match answered:
        case {"detail": str(reason)}:
            return reason[:300]
        case {"detail": [*inputs]}:  # one for each input; valid inputs have no message
            objects = [each for each in inputs if isinstance(each, dict)]
            reasons = [each.get("message", each.get("msg")) for each in objects]
            return "; ".join(each for each in reasons if each and isinstance(each, str))[:300]
    return ""


def _leads_away_from_login(response: httpx.Response) -> bool:
    """Whether this is Gradio's answer to a login where there is none: back to the page."""
    target = urlsplit(response.headers.get("location", ""))
    return response.status_code == 302 and not target.path.rstrip("/").endswith("/login")


def _parse_retry_after(retry_after: str) -> float | None:
    """Return the seconds of a Retry-After header, a number or a date (RFC 9110, 10.2.3)."""
    try:
        wait = float(retry_after)
    except ValueError:
        try:
            until = parsedate_to_datetime(retry_after)
            wait = (until - datetime.now(timezone.utc)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(0.0, wait), MAX_RETRY_AFTER)  # this order turns nan into 0


def _is_transient(error: BaseException) -> bool:
    """Whether the connection was rejected, reset or not made in time, rather than misaddressed."""
    if isinstance(error, (httpx.ConnectTimeout, httpx.RemoteProtocolError)):
        return True
    return isinstance(root_of(error), ConnectionError)


def root_of(error: BaseException) -> BaseException:
    """Return the first cause of an error."""
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return error
