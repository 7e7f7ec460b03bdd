"""The dataflows: webhooks to status events, status events to ClickHouse, campaigns to messages; and what they share."""

import os

# NumPy asks for huge pages under every array of 4 MB and more, and the kernel clears them whole, each time anew
# [700,000 events routed: 3.7 -> 2.9 s of CPU]. Read when NumPy is imported:
# https://numpy.org/doc/stable/reference/global_state.html
os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")
