-- Made from sql/migrations/013_merges.sql by `python -m sql.sharding`.

ALTER TABLE status_events_local ON CLUSTER '{cluster}' MODIFY SETTING min_parts_to_merge_at_once = 16;

ALTER TABLE messages_local ON CLUSTER '{cluster}' MODIFY SETTING min_parts_to_merge_at_once = 16;

ALTER TABLE outbound_local ON CLUSTER '{cluster}' MODIFY SETTING min_parts_to_merge_at_once = 16;

ALTER TABLE outbound_ids_local ON CLUSTER '{cluster}' MODIFY SETTING min_parts_to_merge_at_once = 16;
