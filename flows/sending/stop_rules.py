"""When a campaign pauses itself: too many of its last outcomes were failures."""

from collections import Counter, deque

from schemas.campaign import StopRule


class FailureRate:
    """Of the last `over` outcomes; nothing is said before there are that many."""

    def __init__(self, rule: StopRule | None) -> None:
        self._rule = rule
        self._last: deque[str] = deque(maxlen=rule.over if rule else 1)
        self._codes: Counter[str] = Counter()

    def add(self, code: str) -> str:
        """`code` of a failure, empty for a success; why to pause, or an empty text."""
        if self._rule is None:
            return ""
        if len(self._last) == self._last.maxlen:
            self._codes[self._last[0]] -= 1
        self._last.append(code)
        self._codes[code] += 1
        return self._verdict(self._rule)

    def _verdict(self, rule: StopRule) -> str:
        failed = len(self._last) - self._codes[""]
        if len(self._last) < rule.over or failed <= rule.failures * rule.over:
            return ""
        worst, count = max(((code, count) for code, count in self._codes.items() if code), key=lambda pair: pair[1])
        return (
            f"{failed} of the last {rule.over} failed, {count} of them with {worst}; the limit is {rule.failures:.0%}"
        )

    def forget(self) -> None:
        """After a person resumed the campaign."""
        self._last.clear()
        self._codes.clear()
