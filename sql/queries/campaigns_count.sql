-- How many campaigns have `search` in their id or name?
SELECT count() AS campaigns
FROM campaigns FINAL
WHERE positionCaseInsensitiveUTF8(campaign_id, {search:String}) > 0 OR positionCaseInsensitiveUTF8(name, {search:String}) > 0
