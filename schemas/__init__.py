"""The contracts: what travels in topics, what stands in tables, what may be set, what can go wrong.

Imports nothing else of ours. One name per thing, the same on the wire, in SQL and in the API.
"""
