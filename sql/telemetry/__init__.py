"""What a process tells of itself while it runs: metrics, health, logs. Knows the contracts only."""
