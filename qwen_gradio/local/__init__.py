"""The embedded Space: a Gradio app with the real one's endpoints, and a small model that runs offline.

Needs the extra `local`.
"""
