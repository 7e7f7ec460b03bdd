"""The cells that latencies are counted in: lower bounds in milliseconds.

Preferred numbers of the E24 series (IEC 60063), 24 to a decade: a percentile read from cells is off by at most
a sixteenth, and the bounds read well on an axis. The same list stands in the migration that fills `latency`;
a test holds the two together.
"""

from schemas.times import DAY_MS

_E24 = (10, 11, 12, 13, 15, 16, 18, 20, 22, 24, 27, 30, 33, 36, 39, 43, 47, 51, 56, 62, 68, 75, 82, 91)
LONGEST_MS = 30 * DAY_MS

LATENCY_BOUNDS_MS = (
    0,
    *(mantissa * 10**decade for decade in range(9) for mantissa in _E24 if mantissa * 10**decade < LONGEST_MS),
    LONGEST_MS,
)
