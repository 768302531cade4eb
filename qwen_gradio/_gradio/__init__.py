"""The boundary to gradio_client: the only code that imports it, httpx or huggingface_hub."""
