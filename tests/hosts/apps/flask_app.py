"""The same app as a user of Flask writes it."""

from __future__ import annotations

from typing import Any

import shared
from flask import Flask, request

app = Flask(__name__)


@app.get("/<path:path>")
def page(path: str) -> dict[str, Any]:
    return shared.answer("/" + path, request.args.to_dict())
