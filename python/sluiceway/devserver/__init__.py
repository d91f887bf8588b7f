"""The local server: takes what the vendors' clients send, says what the vendor would say, and shows it on a page."""
