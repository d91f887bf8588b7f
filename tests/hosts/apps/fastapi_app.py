"""The same app as a user of FastAPI writes it: `app` closes the client when the server stops, `bare` leaves it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import shared
from fastapi import FastAPI, Request


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await shared.client().aclose()


app = FastAPI(lifespan=lifespan)
bare = FastAPI()


@app.get("/spawn")
@bare.get("/spawn")
async def spawn(n: int) -> dict[str, Any]:
    """Start a program in the middle of a request, as a service that converts files does."""
    process = await asyncio.create_subprocess_exec("true")
    return {"pid": os.getpid(), "code": await process.wait(), "accepted": shared.track(n)}


@app.get("/aflush")
@bare.get("/aflush")
async def aflush() -> dict[str, Any]:
    return {"pid": os.getpid(), "pending": (await shared.client().aflush()).pending}


@app.get("/{path:path}")
@bare.get("/{path:path}")
async def page(path: str, request: Request) -> dict[str, Any]:
    return shared.answer("/" + path, dict(request.query_params))
