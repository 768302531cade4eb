"""The behaviour of a Space's page when a user asks a question. Nothing here does I/O.

/config, /info -> app -> chain -> plan: which functions to call, and with which values
outputs -> reply -> fragments: the new text of the reply
"""
