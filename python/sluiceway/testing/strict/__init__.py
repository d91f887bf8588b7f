"""How each vendor reads a request and answers it: one room for each, and what they share.

What an event must be is written once, on the vendor's page and in `vendors/rules.py`; a room here knows which of those
faults cost the batch, which one event and which nothing, and the words for it.
"""
