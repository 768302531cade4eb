"""The embedded Space: a Gradio app with the real one's endpoints and a small offline model.

Needs the extra `local`.
"""
