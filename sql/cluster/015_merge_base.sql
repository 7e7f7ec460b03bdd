-- Made from sql/migrations/015_merge_base.sql by `python -m sql.sharding`.

ALTER TABLE status_events_local ON CLUSTER '{cluster}' MODIFY SETTING merge_selector_base = 20, materialize_statistics_on_merge = 0;

ALTER TABLE messages_local ON CLUSTER '{cluster}' MODIFY SETTING merge_selector_base = 20, materialize_statistics_on_merge = 0;

ALTER TABLE outbound_local ON CLUSTER '{cluster}' MODIFY SETTING merge_selector_base = 20, materialize_statistics_on_merge = 0;

ALTER TABLE outbound_ids_local ON CLUSTER '{cluster}' MODIFY SETTING merge_selector_base = 20, materialize_statistics_on_merge = 0;

ALTER TABLE totals_local ON CLUSTER '{cluster}' MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE minutes_local ON CLUSTER '{cluster}' MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE latency_local ON CLUSTER '{cluster}' MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE latency_sample_local ON CLUSTER '{cluster}' MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE provider_latency_local ON CLUSTER '{cluster}' MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE stages_local ON CLUSTER '{cluster}' MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE reasons_local ON CLUSTER '{cluster}' MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE dispositions_local ON CLUSTER '{cluster}' MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;

ALTER TABLE splits_local ON CLUSTER '{cluster}' MODIFY SETTING merge_selector_base = 10, materialize_statistics_on_merge = 0;
