"""A line's place: one number that is stable over readings and unique within its topic.

    bit 62      61 … 52     51 … 0
    always 1    partition   Kafka: offset (41 bits), line in the record (11 bits)
                            file:  segment (20 bits), line in the segment (32 bits)

Bit 62 keeps places apart from the dense numbers of our own sender. Neighbouring lines have neighbouring places,
which keeps bitmaps of them small.
"""

_MARK = 1 << 62
_PARTITION_SHIFT = 52
KAFKA_LINE_BITS = 11
FILE_LINE_BITS = 32
FILE_BYTE_BITS = 40
MAX_SEGMENT = (1 << 20) - 1


def kafka_place(partition: int, offset: int) -> int:
    """The place of a record's first line."""
    return _MARK | partition << _PARTITION_SHIFT | offset << KAFKA_LINE_BITS


def file_place(partition: int, segment: int, line: int) -> int:
    """The place of line `line`, from 0, of a segment."""
    return _MARK | partition << _PARTITION_SHIFT | segment << FILE_LINE_BITS | line


def file_offset(segment: int, byte: int) -> int:
    """What a dead letter names as the offset of a line in a file topic."""
    return segment << FILE_BYTE_BITS | byte
