-- Which keys open the API?
SELECT key_id, hash, label, scopes, created_at, revoked
FROM api_keys FINAL
ORDER BY created_at, key_id
