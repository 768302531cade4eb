"""What the page of a Space does when a user asks a question. Nothing here does I/O.

/config, /info -> app -> chain -> plan: which functions to call, and with which values
outputs -> reply -> fragments: what is new in the reply
"""
