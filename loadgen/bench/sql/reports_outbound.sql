-- What the sender said of the messages numbered from `first` up to `before`.
INSERT INTO outbound (campaign_id, message_key, attempt, type, reason, at, sent_at, channel, provider, sender, template, country)
SELECT
    {campaign_id:String},
    number AS key,
    1,
    if(is_screened, 'screened', 'accepted'),
    if(is_screened, ['suppressed', 'capped', 'expired'][1 + key % 3], ''),
    sent_at + toIntervalMillisecond(100),
    if(is_screened, NULL, fromUnixTimestamp64Milli({start_ms:Int64} + toInt64(key * {sending_ms:UInt64} / {messages:UInt64}), 'UTC') AS sent_at),
    multiIf(chance % 100 < 55, 'whatsapp', chance % 100 < 77, 'sms', chance % 100 < 95, 'email', 'push'),
    multiIf(chance % 100 < 55, 'meta_whatsapp', chance % 100 < 77, 'acme_sms', chance % 100 < 95, 'acme_mail', 'acme_push'),
    concat('+31600', toString(chance % 20)),
    ['invite', 'reminder', 'last-call', 'plain'][1 + intDiv(chance, 7) % 4],
    ['NL', 'BE', 'DE', 'FR', 'ES', 'IT', 'PL', 'AT', 'PT', 'IE'][1 + intDiv(chance, 11) % 10]
FROM (SELECT number, sipHash64(number) AS chance, intHash32(number) % 50 = 0 AS is_screened FROM numbers({first:UInt64}, {before:UInt64} - {first:UInt64}))
