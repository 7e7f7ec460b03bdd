-- Events of the messages numbered from `first` up to `before`, as a national campaign's providers report them: three
-- each on average, 1 % of the messages delivered twice at different times; nothing that lies ahead.
INSERT INTO status_events (campaign_id, message_key, attempt, status, error_code, provider, raw_status, event_time, received_at, sent_at)
SELECT
    {campaign_id:String},
    key,
    if(retried AND event.1 NOT IN ('accepted', 'sent', 'failed'), 2, 1),
    event.1,
    if(event.1 = 'failed', ['131026', '131049', '30003', '30005', '30007', '5.1.1', 'unregistered', '131047'][1 + chance % 8], ''),
    provider,
    '',
    sent_at + toIntervalMillisecond(event.2),
    sent_at + toIntervalMillisecond(event.2 + 300),
    sent_at
FROM
(
    SELECT
        key,
        fromUnixTimestamp64Milli({start_ms:Int64} + toInt64(key * {sending_ms:UInt64} / {messages:UInt64}), 'UTC') AS sent_at,
        chance,
        provider,
        retried,
        -- Heavy tails: half within 2 s, one in a hundred later than half a minute; reads follow within hours.
        toUInt32(2000 * exp(1.2 * normal)) AS delivered_ms,
        toUInt32(600000 * exp(1.1 * normal)) + delivered_ms AS read_ms
    FROM
    (
        SELECT
            number AS key,
            sipHash64(number) AS chance,
            chance % 997 = 0 AS retried,
            multiIf(chance % 100 < 55, 'meta_whatsapp', chance % 100 < 77, 'acme_sms', chance % 100 < 95, 'acme_mail', 'acme_push') AS provider,
            sqrt(-2 * log((chance % 1000003 + 1) / 1000004)) * cos(2 * pi() * (intDiv(chance, 1000003) % 1000003) / 1000003) AS normal
        FROM numbers({first:UInt64}, {before:UInt64} - {first:UInt64})
        WHERE intHash32(number) % 50 != 0
    )
)
ARRAY JOIN arrayFilter(
    event -> event.3 AND sent_at + toIntervalMillisecond(event.2) <= now64(3),
    [
        ('accepted', toUInt32(120 + chance % 400), true),
        ('sent', toUInt32(400 + chance % 900), chance % 100 < 60),
        ('delivered', delivered_ms, chance % 20 != 0),
        ('delivered', delivered_ms + 90000, chance % 100 = 7),
        ('read', read_ms, chance % 20 != 0 AND chance % 100 < 53),
        ('clicked', read_ms + 5000, chance % 20 != 0 AND chance % 100 < 8),
        ('failed', delivered_ms, chance % 20 = 0 AND chance % 5 != 4 OR retried)
    ]) AS event
