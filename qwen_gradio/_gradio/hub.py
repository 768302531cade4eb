"""Where the hub says that a Space is. It is asked without a token."""

from __future__ import annotations

from gradio_client import utils
from huggingface_hub import constants

from .._access import is_url
from ..errors import AuthenticationError, SpaceUnavailableError
from .connection import Connection


def host_of(name: str, connection: Connection) -> str:
    """Return the URL of the Space that the hub knows as `owner/name`.

    :raises SpaceUnavailableError: if there is none, or it is not running.
    """
    try:
        response = connection.request("GET", f"{constants.ENDPOINT}/api/spaces/{name}")
    except AuthenticationError as error:  # the hub's answer for a name that it does not show
        raise SpaceUnavailableError(
            f"The hub shows no Space {name}. If it is private, give its URL and an api_key"
        ) from error
    found = response.json()
    stage, host = found.get("runtime", {}).get("stage"), str(found.get("host"))
    if stage in utils.INVALID_RUNTIME:
        raise SpaceUnavailableError(f"{name} is not running: the hub reports {stage}")
    if not is_url(host):
        raise SpaceUnavailableError(f"The hub gives no address for {name}")
    return host
