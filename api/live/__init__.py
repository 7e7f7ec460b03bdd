"""The live page: one snapshot a second and topic, whatever the number of viewers."""
