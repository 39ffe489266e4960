"""What holds for all tests."""

import os
import signal

# As the command line does: the workers of the tests share the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A command that a shell runs in the background, as a CI job may be, ignores the interrupt, and so does all
# that it starts: what tests interrupt would never end. Set on import, so that it holds in workers too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
