"""`python -m qwen_gradio` is the command `qwen-gradio`."""

from .cli import main

main()
