"""Errors as ClickHouse's HTTP interface tells them: a code, a text, and the status that goes with the code."""

SYNTAX_ERROR = 62
NOT_IMPLEMENTED = 48
UNKNOWN_COMPRESSION_METHOD = 89
CANNOT_DECOMPRESS = 271
QUERY_IS_TOO_LARGE = 229
BAD_ARGUMENTS = 36
AUTHENTICATION_FAILED = 516
NOT_ENOUGH_SPACE = 243

_NAMES = {
    SYNTAX_ERROR: "SYNTAX_ERROR",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    UNKNOWN_COMPRESSION_METHOD: "UNKNOWN_COMPRESSION_METHOD",
    CANNOT_DECOMPRESS: "CANNOT_DECOMPRESS",
    QUERY_IS_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    BAD_ARGUMENTS: "BAD_ARGUMENTS",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    NOT_ENOUGH_SPACE: "NOT_ENOUGH_SPACE",
}

# As exceptionCodeToHTTPStatus of ClickHouse has them
# (https://github.com/ClickHouse/ClickHouse/blob/master/src/Server/HTTP/exceptionCodeToHTTPStatus.cpp).
_STATUS_CODES = {
    400: (6, 26, 27, 36, 38, 41, 42, 43, 44, 53, 62, 69, 72, 117, 130, 131, 271, 386, 427, 457),
    403: (192, 193, 516),
    404: (16, 46, 47, 50, 56, 60, 63, 81, 115),
    408: (159,),
    413: (229,),
    501: (48,),
    503: (76, 202, 209),
}
_STATUS = {code: status for status, codes in _STATUS_CODES.items() for code in codes}


class Refusal(Exception):
    """We, not the engine, say no."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}. ({_NAMES[code]})")
        self.code = code


def status_of(code: int) -> int:
    return _STATUS.get(code, 500)
