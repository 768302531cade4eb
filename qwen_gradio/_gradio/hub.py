"""Where a Space is, and in which stage, according to the hub."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from huggingface_hub import constants

from .._access import SPACES_DOMAIN, Access, is_on_hub, is_url
from .._described import get
from .._stages import STAGES, is_starting
from ..errors import QwenGradioError, SpaceUnavailableError
from .connection import Connection
from .faults import IF_PRIVATE, connecting

PUBLIC_HUB = "https://huggingface.co"
"""Its Spaces are under `SPACES_DOMAIN`. Another hub, which a user configured, may be anything."""
HUB_TIMEOUT = 20.0
"""Seconds that the hub may take to answer."""


@dataclass(frozen=True)
class Listing:
    """What the hub says about a Space; "" where it says nothing.

    :ivar page: the address of the Space's page on the hub.
    :ivar hardware: what the Space runs on, and `requested` what it is to run on.
    """

    stage: str
    host: str
    page: str
    hardware: str
    requested: str

    def __str__(self) -> str:
        """The stage and the hardware, as a line to show to a user."""
        hardware = self.hardware or self.requested or "unknown hardware"
        is_changing = self.requested not in ("", hardware)
        requested = f" ({self.requested} is requested)" if is_changing else ""
        return f"On the hub: {self.stage or 'unknown stage'} on {hardware}{requested}"


def host_of(access: Access, connection: Connection) -> str:
    """Return the URL of the Space that the hub knows as `owner/name`.

    :raises SpaceUnavailableError: if there is none, or it cannot run.
    """
    listing = _look_up(access, connection)
    error = _error_from_stage(access.space, listing)
    if error is not None and not (listing.host and is_starting(listing.stage)):
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
    return listing.host


def listing_of(access: Access) -> Listing | None:
    """Return what the hub says about a Space; None if it is not there, or the hub says nothing."""
    if access.hub_key is None:
        return None
    connection = Connection(access, HUB_TIMEOUT)
    try:
        return _look_up(access, connection)
    except QwenGradioError:
        return None
    finally:
        connection.close()


def explained(
    answer: SpaceUnavailableError, access: Access, connection: Connection
) -> SpaceUnavailableError:
    """Return why a Space did not answer as a Gradio app: its stage, or its own `answer`."""
    if access.hub_key is None:
        return answer
    try:
        listing = _look_up(access, connection)
    except QwenGradioError:
        return answer
    error = _error_from_stage(access.space, listing) or answer
    error.stage = listing.stage or None
    return error


def _look_up(access: Access, connection: Connection) -> Listing:
    token = {} if access.api_key is None else {"authorization": f"Bearer {access.api_key}"}
    url = f"{constants.ENDPOINT}/api/spaces/{access.hub_key}"
    with connecting("The hub"), connection.time_limit(HUB_TIMEOUT):
        try:
            response = connection.request(
                "GET", url, headers=token, server="The hub", accepted=(401, 403, 404)
            )
            found = response.json() if response.is_success else None
        except (ValueError, RecursionError) as error:
            raise SpaceUnavailableError(
                f"The hub's answer about {access.space} cannot be read: {error!r:.200}"
            ) from error
    if not response.is_success:  # the hub's answers for a name that it does not show
        what = "that this api_key can read" if token else "by that name in public"
        raise SpaceUnavailableError(
            f"The hub shows no Space {access.space} {what}. Check the name. {IF_PRIVATE}"
        )
    name = get(found, "id", str, access.space)
    runtime = get(found, "runtime", dict, {})
    hardware = get(runtime, "hardware", dict, {})
    return Listing(
        get(runtime, "stage", str, ""),
        get(found, "host", str, ""),
        f"{constants.ENDPOINT}/spaces/{name}",
        get(hardware, "current", str, ""),
        get(hardware, "requested", str, ""),
    )


def _error_from_stage(space: str, listing: Listing) -> SpaceUnavailableError | None:
    """Return the error that a stage stands for, or None for a Space that runs."""
    if listing.stage not in STAGES:
        return None
    error = SpaceUnavailableError(
        f"{space} {STAGES[listing.stage].text} ({listing.stage}). Its page: {listing.page}"
    )
    error.stage = listing.stage
    return error
