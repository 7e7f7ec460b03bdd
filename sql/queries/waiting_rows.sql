-- Does anything wait at all, and was anyone erased? Rows held, those that were matched and not merged away yet included:
-- read from parts' heads.
SELECT
    (SELECT count() FROM unkeyed) AS unkeyed,
    (SELECT count() FROM waiting) AS waiting,
    (SELECT count() FROM erased_ids) AS erased
