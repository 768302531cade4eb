"""The command `qwen-gradio`, which is also `python -m qwen_gradio`."""

from .cli import main

if __name__ == "__main__":
    main()
