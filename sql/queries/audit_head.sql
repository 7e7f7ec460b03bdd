-- What is the newest entry of the audit log?
SELECT hash, at FROM audit_log ORDER BY at DESC, hash LIMIT 1
