-- A merge rewrites a large part only when so many small ones have come that it pays. ClickHouse counts five megabytes
-- for opening a part, so that with a base of 5 every sixteen parts of 4,000 rows were merged with all that stood: 17 to
-- 29 million rows were written for 2.1 million that came in half a minute, with a base of 20 four million, and as many
-- parts stood in the end. Rollups, which are read whole each second, are left fewer parts. Nor does anything here ask
-- for the statistics of columns that merges made: a tenth of their processor time.

ALTER TABLE status_events MODIFY SETTING merge_selector_base = 20, materialize_statistics_on_merge = 0;

ALTER TABLE messages MODIFY SETTING merge_selector_base = 20, materialize_statistics_on_merge = 0;

ALTER TABLE outbound MODIFY SETTING merge_selector_base = 20, materialize_statistics_on_merge = 0;

ALTER TABLE outbound_ids MODIFY SETTING merge_selector_base = 20, materialize_statistics_on_merge = 0;

ALTER TABLE totals MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE minutes MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE latency MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE latency_sample MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE provider_latency MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE stages MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE reasons MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE dispositions MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE splits MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;
