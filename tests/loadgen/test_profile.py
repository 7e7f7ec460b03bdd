"""Processor time goes to the stage it was used in, and none of it is lost."""

import pytest

from loadgen.bench.profile import STAGES, stage_of, stage_seconds

DECODE = "run (flows/running.py:95);events (flows/status_decoder.py:50);read (flows/mixed_lines.py:70) 30"
INSERT = "_run (flows/writer.py:148);_insert (flows/writer.py:190);insert (sql/links.py:140) 50"
ENGINE = "run (flows/running.py:95);cli_main (flows/running.py:96) 20"


@pytest.mark.parametrize(
    ("stack", "stage"),
    [
        ("next_batch (flows/sources.py:170);poll (flows/topics/kafka_reader.py:130)", "consume"),
        ("on_batch (flows/window.py:250);append (flows/window_log.py:60)", "window"),
        ("cut (flows/status_batch.py:60);_contexts (flows/status_batch.py:90)", "hash"),
        ("_land (flows/writer.py:170);by_table (flows/writer.py:200);sort (polars/frame.py:1)", "convert"),
        ("insert (sql/links.py:140);_write_arrow (sql/links.py:200);write (pyarrow/ipc.py:1)", "convert"),
        ("_land (flows/writer.py:170);insert (sql/warehouse.py:70);query (chdb/session.py:1)", "insert"),
        ("run (threading.py:1)", "other"),
    ],
)
def test_a_stack_belongs_to_its_innermost_frame_of_ours(stack: str, stage: str) -> None:
    assert stage_of(stack) == stage


def test_all_that_was_used_is_shared_out() -> None:
    threads = {"python": 10.0, "rdk:broker1": 2.0, "MergeMutate": 3.0, "polars-1": 1.0}
    seconds = stage_seconds(threads, "\n".join([DECODE, INSERT, ENGINE]), total_s=17.0)
    assert set(seconds) == set(STAGES)
    assert sum(seconds.values()) == pytest.approx(17.0)
    assert seconds["decode"] == pytest.approx(3.0)
    assert seconds["insert"] == pytest.approx(5.0 + 3.0)
    assert seconds["consume"] == pytest.approx(2.0)
    assert seconds["convert"] == pytest.approx(1.0)
    assert seconds["other"] == pytest.approx(2.0 + 1.0), "what no thread was seen to use"
