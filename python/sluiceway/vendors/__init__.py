"""One page per vendor: endpoints, wire shapes, limits, envelope, headers and verdicts, each with its source."""
