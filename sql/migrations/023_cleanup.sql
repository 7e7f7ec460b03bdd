-- Parts that were merged away are removed each second or two, not each half minute: by then three thousand stood there,
-- and while they went, for two seconds, Delivered waited up to 0.7 s to be inserted.

ALTER TABLE status_events MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE messages MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE outbound MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE outbound_ids MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE totals MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE minutes MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE latency MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE latency_sample MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE provider_latency MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE stages MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE reasons MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE dispositions MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;

ALTER TABLE splits MODIFY SETTING cleanup_delay_period = 1, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 2;
