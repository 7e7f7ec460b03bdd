-- Made from sql/migrations/023_cleanup.sql by `python -m sql.sharding`.

ALTER TABLE status_events_local ON CLUSTER '{cluster}' MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE messages_local ON CLUSTER '{cluster}' MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE outbound_local ON CLUSTER '{cluster}' MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE outbound_ids_local ON CLUSTER '{cluster}' MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE totals_local ON CLUSTER '{cluster}' MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE minutes_local ON CLUSTER '{cluster}' MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE latency_local ON CLUSTER '{cluster}' MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE latency_sample_local ON CLUSTER '{cluster}' MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE provider_latency_local ON CLUSTER '{cluster}' MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE stages_local ON CLUSTER '{cluster}' MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE reasons_local ON CLUSTER '{cluster}' MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE dispositions_local ON CLUSTER '{cluster}' MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE splits_local ON CLUSTER '{cluster}' MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;
