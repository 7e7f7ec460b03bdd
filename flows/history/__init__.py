"""What topics and archives still hold of the past, and what can be made of it again."""
