"""What a reply takes, on the Space of the benchmarks."""

from __future__ import annotations

import tracemalloc

import pytest

from qwen_gradio import ask

from .loads import question, stamping_space


@pytest.mark.usefixtures("server")
def test_memory_is_linear_in_the_text() -> None:
    peaks = []
    with stamping_space("6") as url:
        ask(question(1, 0), space=url)  # imports take memory, too
        for fragments in (2_000, 4_000):
            tracemalloc.start()
            ask(question(fragments, 0), space=url)
            peaks.append(tracemalloc.get_traced_memory()[1] / 2**20)
            tracemalloc.stop()
    # To keep every output, as gradio_client does, takes about 43 and 170 MB.
    assert peaks[1] < 2 * peaks[0] + 8
