"""Importing files of events: the rooms behind `sluiceway send`.

A file becomes rows (`opening`, `jsonl`, `tables`, `parquet`), a row becomes an event (`mapping`, `making`, `passing`,
`timestamps`, `identifiers`), an event becomes a call of a vendor's client (`speaking`). `sending` feeds the clients no
faster than they deliver, `marking` writes down how far everything has ended (`checkpoint`, `rejects`), `watching`
stops what cannot go well, and `running` puts it together.
"""
