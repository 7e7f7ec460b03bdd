"""Reports of one campaign: each file one report, its numbers from one file in sql/queries."""
