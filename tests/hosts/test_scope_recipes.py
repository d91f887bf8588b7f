"""The recipes of docs/scope.md for Flask, Django, FastAPI and Celery, and scopes under gevent: as they are printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sluiceway

from . import needed  # noqa: F401

PAGE = (Path(__file__).parents[2] / "docs" / "scope.md").read_text()

BEGIN = """
import json
from sluiceway import Segment, scope
from sluiceway.testing import MemoryTransport
memory = MemoryTransport()
client = Segment("key", transport=memory)
"""
END = """
print(json.dumps([[e["event"], e.get("userId"), e["context"].get("page", {}).get("path")] for e in memory.events]))
"""


def blocks(heading: str) -> list[str]:
    """The Python of a part of the page."""
    [part] = re.findall(rf"(?ms)^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", PAGE)
    return re.findall(r"(?s)```python\n(.*?)```", part)


def run(program: str, directory: Path) -> list[list[Any]]:
    """Run a program in an interpreter of its own, which such frameworks want; return the events it tells."""
    path = directory / "program.py"
    path.write_text(program)
    environment = os.environ | {"PYTHONPATH": str(Path(sluiceway.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=directory,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: list[list[Any]] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_flask(tmp_path: Path) -> None:
    middleware, use = blocks("WSGI: Flask")
    program = f"""{BEGIN}
from flask import Flask, Response, session
app = Flask(__name__)
app.secret_key = "x"
{middleware}
{use}
@app.get("/login/<name>")
def login(name):
    session["user_id"] = name
    scope.update(user_id=name)
    client.track(event="login")
    return "ok"
@app.get("/stream")
def stream():
    def rows():
        client.track(event="row")
        yield "row"
    return Response(scope.carry(rows)())
browser = app.test_client()
browser.get("/login/u1")
assert browser.get("/stream").data == b"row"
app.test_client().get("/stream")
assert scope.current() == {{}}
{END}"""
    assert run(program, tmp_path) == [["login", "u1", "/login/u1"], ["row", "u1", "/stream"]]


def test_fastapi(tmp_path: Path) -> None:
    middleware, dependency = blocks("ASGI: Starlette, FastAPI")
    program = f"""{BEGIN}
import asyncio, httpx
from fastapi import Depends, FastAPI, Request
app = FastAPI()
{middleware}
{dependency}
app.add_middleware(ScopeMiddleware)
@app.get("/sync")
def sync(user: str = Depends(current_user)):
    client.track(event="sync")
@app.get("/async")
async def anew(user: str = Depends(current_user)):
    await asyncio.sleep(0)
    client.track(event="async")
async def main():
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as browser:
        await asyncio.gather(*(
            browser.get(path, headers={{"x-user": f"u{{n}}"}}) for n in range(10) for path in ("/sync", "/async")))
asyncio.run(main())
assert scope.current() == {{}}
{END}"""
    expected = [[path, f"u{n}", f"/{path}"] for n in range(10) for path in ("sync", "async")]
    assert sorted(run(program, tmp_path)) == sorted(expected)


@pytest.mark.parametrize("way", ["wsgi", "asgi"])
def test_django(way: str, tmp_path: Path) -> None:
    [recipe] = blocks("Django")
    (tmp_path / "recipe.py").write_text(recipe)
    program = f"""{BEGIN}
import asyncio, sys
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "test.sqlite3"}}}},
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware", "recipe.scope_middleware"])
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
def sync(request):
    client.track(event="sync")
    return HttpResponse("ok")
async def anew(request):
    await asyncio.sleep(0)
    client.track(event="async")
    return HttpResponse("ok")
urlpatterns = [path("sync", sync), path("async", anew)]
user = User.objects.create_user("somebody")
if "{way}" == "wsgi":
    browser = Client()
    browser.force_login(user)
    for name in ("sync", "async"):
        assert browser.get("/" + name).status_code == 200
        assert Client().get("/" + name).status_code == 200
else:
    async def main():
        browser = AsyncClient()
        await browser.aforce_login(user)
        for name in ("sync", "async"):
            assert (await browser.get("/" + name)).status_code == 200
            assert (await AsyncClient().get("/" + name)).status_code == 200
    asyncio.run(main())
assert scope.current() == {{}}
{END}"""
    # What nobody did has no id, and is refused.
    assert run(program, tmp_path) == [["sync", "1", "/sync"], ["async", "1", "/async"]]


def test_celery(tmp_path: Path) -> None:
    [recipe] = blocks("Celery")
    program = f"""{BEGIN}
from celery import Celery
from celery.contrib.testing.worker import start_worker
app = Celery("tasks", broker="memory://", backend="cache+memory://")
{recipe}
@app.task
def work(depth):
    client.track(event=f"task {{depth}}")
    if depth:
        scope.update(context={{"page": {{"path": "/later"}}}})
        work.delay(depth - 1)
with start_worker(app, pool="solo", perform_ping_check=False):
    with scope(user_id="u1", context={{"page": {{"path": "/buy"}}}}):
        result = work.delay(1)
    with scope(user_id="u2"):
        other = work.delay(0)
    nobody = work.delay(0)
    result.get(timeout=30), other.get(timeout=30), nobody.get(timeout=30)
    import time
    for _ in range(300):
        if len(memory.events) == 3: break
        time.sleep(0.1)
assert scope.current() == {{}}
{END}"""
    told = run(program, tmp_path)
    assert sorted(told, key=str) == [["task 0", "u1", "/later"], ["task 0", "u2", None], ["task 1", "u1", "/buy"]]


def test_greenlets_have_scopes_of_their_own(tmp_path: Path) -> None:
    program = f"""
from gevent import monkey; monkey.patch_all()
import gevent, threading
{BEGIN}
def request(name):
    before = scope.current()
    with scope(user_id=name):
        for _ in range(5):
            gevent.sleep(0)
            client.track(event=name)
        gevent.spawn(scope.carry(child), name).join()
        gevent.spawn(stranger).join()
        gevent.sleep(0)
        scope.update(user_id=name + "+")
        gevent.sleep(0)
        client.track(event=name + "+")
def stranger():
    assert scope.current() == {{}}
def child(name):
    client.track(event=name)
    with scope(user_id="child"):
        gevent.sleep(0)
gevent.joinall([gevent.spawn(request, f"u{{n}}") for n in range(20)], raise_error=True)
assert scope.current() == {{}}
{END}"""
    told = run(program, tmp_path)
    assert len(told) == 20 * 7
    assert all(event == user for event, user, _ in told)
