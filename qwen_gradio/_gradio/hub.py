"""Look up a Space on the Hub: its address, and whether it runs or is starting."""

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
"""The public Hub. Its Spaces are under `SPACES_DOMAIN`. A user may configure another Hub."""
HUB_TIMEOUT = 20.0
"""Maximum seconds for the Hub to answer."""
MAX_REDIRECTS = 5
"""Maximum redirects from former names of a Space."""
REDIRECTS, NOT_SHOWN = (301, 302, 307, 308), (401, 403, 404)
"""The Hub's statuses for a Space that was renamed, and for one that is unknown or private."""


STARTING = {
    "SLEEPING": "is asleep and is being woken",
    "STOPPED": "is stopped and is being started",
    "BUILDING": "is being built",
    "APP_STARTING": "is starting",
}
"""The stages of a Space that will answer later, with a description for users."""
DOWN = {
    "PAUSED": "is paused, and only its owner can restart it",
    "NO_APP_FILE": "has no app",
    "CONFIG_ERROR": "has an invalid configuration",
    "BUILD_ERROR": "could not be built",
    "RUNTIME_ERROR": "has crashed",
    "DELETING": "is being deleted",
}
"""The stages of a Space that will not answer. In all other stages, it may."""


@dataclass(frozen=True)
class Listing:
    """The Hub's information about a Space. Unknown fields are "".

    :ivar name: the Space as given by the caller; its new name if it was renamed.
    :ivar host, page: the URLs of the app, and of its page on the Hub.
    """

    name: str = ""
    stage: str = ""
    host: str = ""
    page: str = ""
    hardware: str = ""


def locate(access: Access, connection: Connection) -> Listing:
    """Look up a Space by its `owner/name`. The `host` of the result is its URL.

    :raises SpaceUnavailableError: if there is no such Space, or it does not run.
    """
    listing = _look_up(access, connection)
    error = _error_from_stage(access.space, listing)
    if error is not None and not (listing.host and error.is_starting):
        raise error
    if not is_url(listing.host):
        raise SpaceUnavailableError(f"The Hub has no address for {access.space}")
    url = urlsplit(listing.host)
    is_expected = url.scheme == "https" and is_on_hub(url.hostname or "")
    if constants.ENDPOINT == PUBLIC_HUB and not is_expected:
        raise SpaceUnavailableError(
            f"The Hub's address for {access.space}, {listing.host!r:.200}, is not under "
            f"{SPACES_DOMAIN}. Nothing was sent there"
        )
    if listing.name != access.space:
        logger.info("%s was renamed to %s", access.space, listing.name)
    return listing


def listing_of(access: Access) -> Listing:
    """Return the Hub's information about a Space; an empty listing if there is none."""
    with closing(Connection(access, HUB_TIMEOUT)) as connection:
        return _listing_of(access, connection)


def explain(
    answer: SpaceUnavailableError, access: Access, connection: Connection
) -> SpaceUnavailableError:
    """Return the error for the Space's stage, if that explains `answer`; otherwise `answer`."""
    listing = _listing_of(access, connection)
    error = _error_from_stage(access.space, listing) or answer
    error.stage = listing.stage or None
    return error


def _listing_of(access: Access, connection: Connection) -> Listing:
    if access.hub_key is not None:
        with suppress(QwenGradioError):
            return _look_up(access, connection)
    return Listing()


def _look_up(access: Access, connection: Connection) -> Listing:
    token = {} if access.api_key is None else {"authorization": f"Bearer {access.api_key}"}
    url = f"{constants.ENDPOINT}/api/spaces/{access.hub_key}"
    with connect_errors("The Hub"), connection.time_limit(HUB_TIMEOUT):
        try:
            response = _get(url, token, access.space, connection)
            found = response.json() if response.is_success else None
        except (ValueError, RecursionError) as error:
            raise SpaceUnavailableError(
                f"The Hub's answer about {access.space} cannot be read: {error!r:.200}"
            ) from error
    if not response.is_success:  # a status of NOT_SHOWN
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
    """Return the Hub's response. Redirects from former names of a Space are followed.

    :raises SpaceUnavailableError: if a redirect leads to another server: it must not get the token.
    """
    hub = target = httpx.URL(url)
    for _ in range(MAX_REDIRECTS):
        response = connection.request(
            "GET", str(target), headers=token, server="The Hub", accepted=(*REDIRECTS, *NOT_SHOWN)
        )
        if response.status_code not in REDIRECTS:
            return response
        target = target.join(response.headers.get("location", ""))
        if (target.scheme, target.netloc) != (hub.scheme, hub.netloc):
            raise SpaceUnavailableError(
                f"The Hub redirects {space} to {target.scheme}://{target.netloc.decode():.200}, "
                "another server. Nothing was sent there"
            )
    raise SpaceUnavailableError(f"The Hub redirects {space} in a circle, to {target!s:.200}")


def _error_from_stage(space: str, listing: Listing) -> SpaceUnavailableError | None:
    """Return the error for a Space's stage; None if it runs."""
    stage = listing.stage
    if (what := (STARTING | DOWN).get(stage)) is None:
        return None
    error = SpaceUnavailableError(f"{space} {what} ({stage}). Its page: {listing.page}")
    error.stage, error.is_down, error.is_starting = stage, True, stage in STARTING
    return error
