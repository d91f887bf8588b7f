"""The parts of the conservation run: what the receiver does to the client, who pushes what, and what must hold then."""
