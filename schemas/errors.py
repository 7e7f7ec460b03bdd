"""The one tree of errors. Each message is one line that says what and where, fit to be shown to an operator."""


class TidemarkError(Exception):
    """Anything we raise on purpose."""

    exit_code = 1


class UsageError(TidemarkError):
    """A wrong argument, setting or file: nothing was done."""

    exit_code = 2


class TopicError(TidemarkError):
    """A topic could not be read or written."""


class TopicDown(TopicError):
    """The broker does not answer; trying again may help."""


class TopicUnknown(TopicError):
    """There is no such topic."""


class TopicFull(TopicError):
    """No room: nothing of the last append is kept."""


class TopicGap(TopicError):
    """A range that should be read no longer exists."""


class WarehouseError(TidemarkError):
    """ClickHouse refused what we asked: asking again gives the same answer."""


class WarehouseDown(WarehouseError):
    """ClickHouse does not answer, or is too busy; trying again may help."""


class RecoveryError(TidemarkError):
    """A flow's recovery directory cannot be used."""


class BadRecord(TidemarkError):
    """One record that cannot be used: `reason` names the kind, which becomes the dead letter's."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail
