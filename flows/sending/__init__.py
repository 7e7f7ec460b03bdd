"""What `flows.send` is made of; `flows/send.py` shows the whole path."""
