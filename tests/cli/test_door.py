"""The door of the command line: one helpful line for what is missing or wrong, and never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

import sluiceway

from .running import bare_environment, run

# Stands in front of the modules that an extra brings, as if it were not installed.
WITHOUT = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Without())
sys.argv[1:] = {arguments!r}
from sluiceway.cli import main
sys.exit(main())
"""


def without(missing: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    program = WITHOUT.format(missing=missing, arguments=list(arguments))
    return subprocess.run(
        [sys.executable, "-c", program],
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_the_version_is_the_package_s() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"sluiceway, version {sluiceway.__version__}\n", "")


def test_help_lists_every_command_without_loading_one() -> None:
    done = without(("starlette", "uvicorn", "sse_starlette", "pyarrow", "zstandard"), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("dev", "send", "doctor", "bench"):
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("docter", "Did you mean 'doctor'?"),
        ("DOCTOR", "Did you mean 'doctor'?"),
        ("sned", "Did you mean 'send'?"),
        ("xyz", "There are dev, send, doctor, bench."),
    ],
)
def test_an_unknown_command_names_the_nearest(word: str, said: str) -> None:
    done = run(word)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("missing", "command"), [("click", "doctor"), ("rich", "doctor"), ("rich", "bench"), ("uvicorn", "dev")]
)
def test_a_missing_part_is_one_line_that_says_what_to_install(missing: str, command: str) -> None:
    done = without((missing,), command, "--vendor", "segment")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"sluiceway: this command needs {missing}: pip install 'sluiceway[dev]'\n"


def test_no_arguments_are_the_help() -> None:
    done = run()
    assert done.returncode == 2
    assert "Commands:" in done.stderr + done.stdout


@pytest.mark.parametrize("arguments", [("doctor", "--nonsense"), ("doctor", "--vendor", "mixpanel"), ("bench", "x")])
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error:" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_in_130_without_a_traceback() -> None:
    """A black hole holds the command, which is then told to stop as a terminal does it."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        child = subprocess.Popen(
            [sys.executable, "-m", "sluiceway", "doctor", "--vendor", "segment", "--host", url],
            env={**bare_environment(), "SEGMENT_WRITE_KEY": "k" * 32},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            silent.settimeout(30)
            # The first is the check of TCP; behind the second stands a request that nobody answers.
            accepted = [silent.accept()[0] for _ in range(2)]
            accepted[1].settimeout(30)
            assert accepted[1].recv(4)
            child.send_signal(signal.SIGINT)
            _, stderr = child.communicate(timeout=30)
        finally:
            child.kill()
            child.wait()
            for sock in accepted:
                sock.close()
    assert child.returncode == 130
    assert "Traceback" not in stderr


def test_a_reader_who_has_gone_ends_it_quietly() -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "sluiceway", "--help"],
        env=bare_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    stderr = child.stderr.read()
    child.stderr.close()
    assert child.wait(30) == 141
    assert stderr == b""


def test_a_terminal_without_an_arrow_gets_no_traceback() -> None:
    done = run("doctor", "--vendor", "segment", "--host", "http://127.0.0.1:1", environ={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (1, "")
    assert "? Nobody listens there" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shells_can_be_taught_the_commands(shell: str) -> None:
    done = run(environ={"_SLUICEWAY_COMPLETE": f"{shell}_source"})
    assert done.returncode == 0
    assert "_SLUICEWAY_COMPLETE" in done.stdout


def test_a_shell_is_told_the_options_of_a_command() -> None:
    done = run(
        environ={"_SLUICEWAY_COMPLETE": "bash_complete", "COMP_WORDS": "sluiceway doctor --ven", "COMP_CWORD": "2"}
    )
    assert done.stdout.strip() == "plain,--vendor"


def test_importing_the_package_loads_none_of_the_commands_parts() -> None:
    program = "import sys, sluiceway, sluiceway.cli; print(sorted({'click', 'rich', 'starlette'} & set(sys.modules)))"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], env=dict(os.environ), capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout == "[]\n"
    assert time.monotonic() - began < 50
