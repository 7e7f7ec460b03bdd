-- Made from sql/migrations/007_view_comments.sql by `python -m sql.sharding`.

ALTER TABLE v_events ON CLUSTER '{cluster}'
    COMMENT COLUMN campaign_id 'Campaign that the message belongs to',
    COMMENT COLUMN message_key 'Message within the campaign: its row in the frozen audience, or the place of its first outbound record',
    COMMENT COLUMN attempt 'Which try at sending the message, from 1',
    COMMENT COLUMN status 'How far the message got, in our terms',
    COMMENT COLUMN error_code 'Reason as the provider numbers it; empty where it gave none',
    COMMENT COLUMN provider 'Who reported the status',
    COMMENT COLUMN raw_status 'The status in the provider''s own word',
    COMMENT COLUMN event_time 'When it happened, as the provider says; of repeats the earliest',
    COMMENT COLUMN received_at 'When the report reached us',
    COMMENT COLUMN sent_at 'When this attempt was first handed to the provider; latencies count from here';

ALTER TABLE v_messages ON CLUSTER '{cluster}'
    COMMENT COLUMN campaign_id 'Campaign that the message belongs to',
    COMMENT COLUMN message_key 'Message within the campaign',
    COMMENT COLUMN accepted_at 'When the provider first took the message; NULL: not reported',
    COMMENT COLUMN rejected_at 'When the provider first refused the message; NULL: not reported',
    COMMENT COLUMN sent_at 'When the provider first passed the message on; NULL: not reported',
    COMMENT COLUMN deferred_at 'When the provider first put delivery off; NULL: not reported',
    COMMENT COLUMN delivered_at 'When the provider first reported delivery; NULL: not reported',
    COMMENT COLUMN read_at 'When the provider first reported that it was read; NULL: not reported',
    COMMENT COLUMN clicked_at 'When the provider first reported a click; NULL: not reported',
    COMMENT COLUMN failed_at 'When the provider first reported failure; NULL: not reported',
    COMMENT COLUMN complained_at 'When the provider first reported a complaint; NULL: not reported',
    COMMENT COLUMN unsubscribed_at 'When the provider first reported an opt-out; NULL: not reported',
    COMMENT COLUMN state 'How far it got: clicked, read, delivered, failed, sent, rejected or other; failed only while nothing better is known';
