"""Run the command `qwen-gradio` as `python -m qwen_gradio`."""

from .cli import main

if __name__ == "__main__":
    main()
