from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from ..conftest import FORMS
from ..support.servers import Zoo


@pytest.fixture(
    scope="module",
    params=[*FORMS, ("6", "messages")],
    ids=lambda param: f"gradio{param[0]}-{param[1]}",
)
def zoo(server: None, request: pytest.FixtureRequest) -> Iterator[Zoo]:
    """Apps of every kind, on each Gradio and with each form of history that it has."""
    with closing(Zoo(*request.param)) as apps:
        yield apps


@pytest.fixture(
    scope="module", params=[("5.49.1", "messages"), ("6", "messages")], ids=["gradio5", "gradio6"]
)
def recent(server: None, request: pytest.FixtureRequest) -> Iterator[Zoo]:
    """Apps of every kind, on the Gradios that have `gr.api`, `gr.render` and `gr.BrowserState`."""
    with closing(Zoo(*request.param)) as apps:
        yield apps


@pytest.fixture(scope="module")
def newest(server: None) -> Iterator[Zoo]:
    """Apps of every kind on Gradio 6."""
    with closing(Zoo()) as apps:
        yield apps
