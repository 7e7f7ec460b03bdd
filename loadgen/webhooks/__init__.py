"""Load for the webhook receiver: requests as providers send them, signed for real, and a client that paces them."""
