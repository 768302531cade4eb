"""The Hub's information about a Space: its address, and whether it runs or is starting."""

from __future__ import annotations

import logging
from contextlib import closing, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from huggingface_hub import constants

from .._access import SPACES_DOMAIN, Access, is_on_hub, is_url
from .._page.app import get
from ..errors import QwenGradioError, SpaceUnavailableError
from .connection import Connection
from .errors import IF_PRIVATE, connect_errors
from .seam import httpx

logger = logging.getLogger("qwen_gradio")

PUBLIC_HUB = "https://huggingface.co"
"""The public Hub, whose Spaces are under `SPACES_DOMAIN`. A user may configure another one."""
HUB_TIMEOUT = 20.0
"""Seconds that the Hub may take to answer."""
MAX_REDIRECTS = 5
"""Renamings of a Space to follow."""
REDIRECTS, NOT_SHOWN = (301, 302, 307, 308), (401, 403, 404)
"""The hub's statuses for a Space that was renamed, and for a name that it does not show."""


STARTING = {
    "SLEEPING": "is asleep and is being woken",
    "STOPPED": "is stopped and is being started",
    "BUILDING": "is being built",
    "APP_STARTING": "is starting",
}
"""The stages in which a Space will answer if it is waited for, and what to say of it."""
DOWN = {
    "PAUSED": "is paused, and only its owner can restart it",
    "NO_APP_FILE": "has no app",
    "CONFIG_ERROR": "has an invalid configuration",
    "BUILD_ERROR": "could not be built",
    "RUNTIME_ERROR": "has crashed",
    "DELETING": "is being deleted",
}
"""The stages in which it will not. In any other, it runs, or may run."""


@dataclass(frozen=True)
class Listing:
    """The Hub's information about a Space; "" for what is unknown.

    :ivar name: the Space, as it was given; its new name if it was renamed.
    :ivar host: the URL of its app, and `page` that of its page on the Hub.
    """

    name: str = ""
    stage: str = ""
    host: str = ""
    page: str = ""
    hardware: str = ""


def locate(access: Access, connection: Connection) -> Listing:
    """Look up a Space by its `owner/name`; its URL is the listing's `host`.

    :raises SpaceUnavailableError: if there is no such Space, or it cannot run.
    """
    listing = _look_up(access, connection)
    error = _error_from_stage(access.space, listing)
    if error is not None and not (listing.host and error.is_starting):
        raise error
    if not is_url(listing.host):
        raise SpaceUnavailableError(f"The hub gives no address for {access.space}")
    url = urlsplit(listing.host)
    is_expected = url.scheme == "https" and is_on_hub(url.hostname or "")
    if constants.ENDPOINT == PUBLIC_HUB and not is_expected:
        raise SpaceUnavailableError(
            f"The hub gives {listing.host!r:.200} as the address of {access.space}, which is not "
            f"under {SPACES_DOMAIN}. Nothing was sent there"
        )
    if listing.name != access.space:
        logger.info("%s was renamed %s", access.space, listing.name)
    return listing


def listing_of(access: Access) -> Listing:
    """Return the Hub's information about a Space, if there is any."""
    if access.hub_key is not None:
        with closing(Connection(access, HUB_TIMEOUT)) as connection, suppress(QwenGradioError):
            return _look_up(access, connection)
    return Listing()


def explain(
    answer: SpaceUnavailableError, access: Access, connection: Connection
) -> SpaceUnavailableError:
    """Return an error that explains `answer` by the Space's stage, if the stage does."""
    listing = Listing()
    if access.hub_key is not None:
        with suppress(QwenGradioError):
            listing = _look_up(access, connection)
    error = _error_from_stage(access.space, listing) or answer
    error.stage = listing.stage or None
    return error


def _look_up(access: Access, connection: Connection) -> Listing:
    token = {} if access.api_key is None else {"authorization": f"Bearer {access.api_key}"}
    url = f"{constants.ENDPOINT}/api/spaces/{access.hub_key}"
    with connect_errors("The hub"), connection.time_limit(HUB_TIMEOUT):
        try:
            response = _get(url, token, access.space, connection)
            found = response.json() if response.is_success else None
        except (ValueError, RecursionError) as error:
            raise SpaceUnavailableError(
                f"The hub's answer about {access.space} cannot be read: {error!r:.200}"
            ) from error
    if not response.is_success:  # the hub's answers for a name that it does not show
        what = "This api_key can read no" if token else "There is no public"
        raise SpaceUnavailableError(
            f"{what} Space named {access.space} on the Hub. Check the name. {IF_PRIVATE}"
        )
    name = get(found, "id", str, access.space)
    is_renamed = response.url != httpx.URL(url) and not is_url(access.space)
    runtime = get(found, "runtime", dict)
    hardware, requested = (
        get(get(runtime, "hardware", dict), key, str) for key in ("current", "requested")
    )
    if hardware and requested not in ("", hardware):
        hardware += f" ({requested} is requested)"
    return Listing(
        name if is_renamed else access.space,
        get(runtime, "stage", str),
        get(found, "host", str),
        f"{constants.ENDPOINT}/spaces/{name}",
        hardware or requested,
    )


def _get(url: str, token: dict[str, str], space: str, connection: Connection) -> httpx.Response:
    """Return the Hub's response, following redirects from a Space's former names.

    :raises SpaceUnavailableError: if one leads to another server, which must not get the token.
    """
    hub = target = httpx.URL(url)
    for _ in range(MAX_REDIRECTS):
        response = connection.request(
            "GET", str(target), headers=token, server="The hub", accepted=(*REDIRECTS, *NOT_SHOWN)
        )
        if response.status_code not in REDIRECTS:
            return response
        target = target.join(response.headers.get("location", ""))
        if (target.scheme, target.netloc) != (hub.scheme, hub.netloc):
            raise SpaceUnavailableError(
                f"The hub redirects {space} to {target.scheme}://{target.netloc.decode():.200}, "
                "another server. Nothing was sent there"
            )
    raise SpaceUnavailableError(f"The hub redirects {space} in a circle, to {target!s:.200}")


def _error_from_stage(space: str, listing: Listing) -> SpaceUnavailableError | None:
    """Return the error for a Space's stage; None if it runs."""
    stage = listing.stage
    if (what := (STARTING | DOWN).get(stage)) is None:
        return None
    error = SpaceUnavailableError(f"{space} {what} ({stage}). Its page: {listing.page}")
    error.stage, error.is_down, error.is_starting = stage, True, stage in STARTING
    return error
