-- How many rows does status_events hold, repeats included? Read from the heads of its parts.
SELECT count() AS rows FROM status_events
