-- Who did what, oldest first?
SELECT toUnixTimestamp64Milli(at) AS at, actor, action, subject, details, previous, hash FROM audit_log ORDER BY at, hash
