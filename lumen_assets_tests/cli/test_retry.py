"""``lumen retry``, as a program of its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

LUMEN = [sys.executable, "-m", "lumen_assets.cli"]


def retry(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LUMEN, "retry", *arguments], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


def shell(script: str) -> list[str]:
    return ["--", "sh", "-c", script]


def test_success_at_once(tmp_path):
    done = retry("3", "60", *shell("echo out; echo err >&2"))
    assert done.returncode == 0
    assert done.stdout == "out\n"
    assert done.stderr == "err\nlumen retry: attempt 1 of 3: return code 0\n"


def test_until_it_succeeds_waiting_twice_as_long_each_time(tmp_path):
    script = f'cd "{tmp_path}"; echo x >> tries; [ $(wc -l < tries) -ge 4 ] || exit 7'
    done = retry("9", "0.01", *shell(script))
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "lumen retry: attempt 1 of 9: return code 7; waiting 0.01 s",
        "lumen retry: attempt 2 of 9: return code 7; waiting 0.02 s",
        "lumen retry: attempt 3 of 9: return code 7; waiting 0.04 s",
        "lumen retry: attempt 4 of 9: return code 0",
    ]


def test_the_code_of_the_last_attempt(tmp_path):
    done = retry("2", "0", *shell(f'cd "{tmp_path}"; if [ -e second ]; then exit 9; fi; touch second; exit 8'))
    assert done.returncode == 9
    assert done.stderr.splitlines()[-1] == "lumen retry: attempt 2 of 2: return code 9"


def test_killed_by_a_signal_as_a_shell_says_it():
    assert retry("1", "0", *shell("kill -KILL $$")).returncode == 137


def test_the_command_is_passed_as_it_is():
    program = "import sys; print(sys.argv[1:])"
    for arguments in (["--help", "-x", "--", "가 나", ""], ["-v"]):
        done = retry("1", "0", "--", sys.executable, "-c", program, *arguments)
        assert done.stdout == f"{arguments}\n"
    assert retry("1", "0", sys.executable, "-c", program, "--json").stdout == "['--json']\n"


def test_it_has_stdin():
    assert retry("1", "0", "--", "cat", input="가\n").stdout == "가\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["3"],
        ["3", "1"],
        ["3", "1", "--"],
        ["0", "1", "--", "true"],
        ["-1", "1", "--", "true"],
        ["x", "1", "--", "true"],
        ["1.5", "1", "--", "true"],
        ["3", "-1", "--", "true"],
        ["3", "nan", "--", "true"],
        ["3", "inf", "--", "true"],
        ["3", "soon", "--", "true"],
    ],
)
def test_usage(arguments):
    done = retry(*arguments)
    assert done.returncode == 2
    assert "Usage: " in done.stderr
    assert done.stdout == ""


def test_no_such_command_and_one_that_cannot_be_executed(tmp_path):
    done = retry("3", "60", "--", "no-such-command-anywhere")
    assert done.returncode == 127
    assert "no-such-command-anywhere: command not found" in done.stderr
    (tmp_path / "text").write_text("text")
    done = retry("3", "60", "--", str(tmp_path / "text"))
    assert done.returncode == 126
    assert "Permission denied" in done.stderr
    (tmp_path / "text").chmod(0o755)
    assert retry("3", "60", "--", str(tmp_path / "text")).returncode == 126
    assert retry("3", "60", "--", str(tmp_path)).returncode == 126


def started(arguments: list[str], tmp_path: Path, **options: object) -> subprocess.Popen[str]:
    """``lumen retry`` when its command has written its first line."""
    process = subprocess.Popen([*LUMEN, "retry", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM"])
def test_a_signal_is_passed_on_and_ends_it(tmp_path, name):
    number = getattr(signal, f"SIG{name}")
    script = f"trap 'echo got {name}; exit 3' {name}; echo ready; while :; do sleep 0.05; done"
    process = started(["5", "0", *shell(script)], tmp_path)
    process.send_signal(number)
    out, err = process.communicate()
    assert out == f"got {name}\n"
    assert process.returncode == 128 + number
    assert err.splitlines() == [f"lumen retry: attempt 1 of 5: return code 3; SIG{name}: no more attempts"]


def test_a_command_that_goes_on_after_a_signal_is_waited_for(tmp_path):
    script = "trap 'echo got' TERM; trap 'echo again; exit 0' USR1; echo ready; while :; do sleep 0.05; done"
    process = started(["5", "0", *shell(script)], tmp_path)
    process.send_signal(signal.SIGTERM)
    assert process.stdout
    assert process.stdout.readline() == "got\n"
    process.send_signal(signal.SIGUSR1)
    out, _ = process.communicate()
    assert out == "again\n"
    assert process.returncode == 128 + signal.SIGTERM


def test_a_signal_that_only_means_something_to_the_command_does_not_end_it(tmp_path):
    told = tmp_path / "told"
    script = f"trap 'touch {told}; exit 5' USR1; [ -e {told} ] && exit 0; echo ready; while :; do sleep 0.05; done"
    process = started(["5", "0", *shell(script)], tmp_path)
    process.send_signal(signal.SIGUSR1)
    process.communicate()
    assert process.returncode == 0


def test_a_signal_while_waiting_ends_it(tmp_path):
    process = subprocess.Popen([*LUMEN, "retry", "2", "3000", "--", "false"], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    assert "waiting 3000 s" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    assert "SIGTERM: no more attempts" in process.stderr.read()
    process.stderr.close()


def test_what_is_ignored_stays_ignored():
    command = "sh -c 'kill -HUP $PPID; kill -HUP $$; exit 4'"
    script = f"trap '' HUP; exec {' '.join(LUMEN)} retry 1 0 -- {command}"
    assert subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode == 4


def test_the_command_has_the_signals_and_the_mask_of_the_caller():
    look = "import signal; print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), signal.getsignal(signal.SIGINT))"
    ours = retry("1", "0", "--", sys.executable, "-c", look).stdout
    assert ours == subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout


COUNTING = """
import os, signal, sys
if sys.argv[1] == "apart":
    os.setpgid(0, 0)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print("really", flush=True)
first = signal.sigtimedwait([signal.SIGINT], 60 if sys.argv[1] == "together" else 1)
print("got", first and first.si_code > 0, flush=True)
"""


@pytest.mark.parametrize(("group", "got"), [("together", b"got True"), ("apart", b"got None")])
def test_a_ctrl_c_of_the_terminal_is_not_sent_a_second_time(group, got):
    """A command in a group of its own would get only what is sent to it: the terminal sends to its foreground group."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [*LUMEN, "retry", "1", "0", "--", sys.executable, "-c", COUNTING, group],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - it shall be the session's terminal
    )
    os.close(inside)
    seen = b""
    while b"really" not in seen:
        seen += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    with contextlib.suppress(OSError):  # that is the end of a terminal
        while piece := os.read(terminal, 1000):
            seen += piece
    os.close(terminal)
    assert process.wait() == 128 + signal.SIGINT
    assert got in seen


@pytest.mark.parametrize("module", ["cli.retry", "cli.notify", "workspace"])
def test_start_up_waits_for_no_dagster_and_no_http(module):
    slow = ("dagster", "requests", "botocore")
    program = f"import sys, lumen_assets.{module}; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
