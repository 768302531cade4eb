"""Stand-in Spaces of all known kinds. Runs on Gradio 4.44, 5 and 6.

Reads names of kinds from standard input, a line each, and serves an app of that kind until standard
input is closed. `--describe` prints each kind's /config and /info, and exits.
"""

import chains  # noqa: F401
import functions  # noqa: F401
import interfaces  # noqa: F401
import pages  # noqa: F401
import shapes  # noqa: F401
from parts import KINDS
from serving import run

run(KINDS)
