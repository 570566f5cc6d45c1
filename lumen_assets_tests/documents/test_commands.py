"""Every command in the documents works: those in blocks as a shell script, those in lines by themselves."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from celery.bin.celery import celery
from click.testing import CliRunner
from dagster._cli import create_dagster_cli
from dagster._daemon.cli import create_dagster_daemon_cli
from dagster_webserver.cli import create_dagster_webserver_cli

from lumen_assets.cli import main
from lumen_assets.days import yesterday
from lumen_assets_tests.alerting.receiver import server
from lumen_assets_tests.documents.reading import DOCUMENTS, ROOT, blocks, inline_code
from lumen_assets_tests.documents.shell import run_script
from lumen_assets_tests.documents.test_disaster import RUNBOOK, SECTION
from lumen_assets_tests.documents.test_recovery import RECOVERY
from lumen_assets_tests.installation import PUBLIC_TEST_KEY, Installation

DAY = yesterday()
LANGUAGES = {"go", "ini", "json", "mermaid", "promql", "python", "sh", "text", "yaml"}
"""What a block may be. Commands are `sh` and nothing else, so that none goes by unseen."""

ELSEWHERE = {
    "make ": "it installs for minutes first, and CI runs it on each fresh checkout; that there is the target is tested",
    "curl https://api.dropboxapi.com": "it asks Dropbox, for an app of one's own",
    "gcloud ": "it asks Google, in a browser",
    "python -m pytest": "these are the tests",
    "python -m tools.golden_home": "it takes a minute; lumen_assets_tests/test_golden_home.py runs it",
    "aws s3api": "it changes a bucket at Amazon",
    "docker ": "there is no engine; lumen_assets_tests/containers builds the image and starts what Compose would",
    "celery ": "it stays until it is stopped; lumen_assets_tests/fleet starts it, and its options are tested here",
}
"""Beginnings of commands in blocks that cannot run here, and why not."""

BY_THEMSELVES = {
    (RUNBOOK, SECTION): "lumen_assets_tests/documents/test_disaster.py",
    (ROOT / "docs" / "secrets.md", "The archive key"): "lumen_assets_tests/settings/test_changing_the_key.py",
    (ROOT / "docs" / "retention.md", "A day of the future"): "lumen_assets_tests/retention/test_retention.py",
    **{
        (RECOVERY, block.heading): "lumen_assets_tests/documents/test_recovery.py"
        for block in blocks(RECOVERY)
        if block.language == "sh"
    },
}
"""Sections whose commands take a place of their own, and the test that runs them there."""

INLINE_ELSEWHERE = {
    "lumen ui": "it stays until it is stopped; lumen_assets_tests/ui starts it",
    "lumen gauges --serve": "it stays until it is stopped, and needs an address; see lumen_assets_tests/health",
    "lumen demo --exporter": "it stays until it is stopped; see lumen_assets_tests/telemetry/test_exporter.py",
    "lumen alerts --close KIND:SOURCE": "it needs an incident that is open; see lumen_assets_tests/alerting",
    "lumen send": "it needs somebody to send to; see lumen_assets_tests/defs/test_distribution.py",
}

PROGRAM = re.compile(
    "(aws|celery|curl|dagster|dagster-daemon|dagster-webserver|docker|gcloud|git|helm|kubectl|make|openssl|pip|pip-audit"
    "|promtool|psql|python|redis-cli|sha256sum|systemctl|zstd) "
)
FOREIGN = {
    "aws iam": "it changes an account at Amazon",
    "aws s3": "there is no such client; lumen_assets_tests/replication/test_moved_away.py does the same",
    "curl -i": "it asks for the address of somebody's telemetry",
    "dagster ": "lumen_assets_tests/test_golden_home.py migrates, lumen_assets_tests/containers starts a code server",
    "dagster-daemon ": "it stays until it is stopped; lumen_assets_tests/fleet starts it",
    "dagster-webserver ": "it stays until it is stopped; lumen_assets_tests/containers starts it",
    "docker ": "there is no engine; lumen_assets_tests/containers builds the image and starts what Compose would",
    "git ": "it changes the checkout",
    "helm ": "there is no cluster; lumen_assets_tests/fleet/test_deploy.py reads the values",
    "kubectl ": "there is no cluster",
    "make ": "that there is the target is tested",
    "openssl passwd -6": "it asks for a password; deploy/compose/make-secrets, which is run, calls it",
    "pip install": "the Dockerfile calls the same; lumen_assets_tests/containers/test_image.py builds it",
    "pip-audit ": "it asks PyPI",
    "promtool ": "lumen_assets_tests/test_deploy.py and lumen_assets_tests/health run it",
    "python -m lumen_assets_tests.report.pages": "lumen_assets_tests/report/test_pages.py draws the same",
    "python -m venv": "the Dockerfile calls it",
    "python tools/scan_secrets.py": "lumen_assets_tests/test_secret_scan.py runs it",
    "sha256sum ": "lumen_assets_tests/archive/test_create.py runs it",
}
"""Beginnings of other programs' commands that stand in lines, and where they are run or why nowhere."""

SERVERS: dict[str, click.Command] = {
    "celery ": celery,
    "dagster code-server ": create_dagster_cli(),
    "dagster-daemon ": create_dagster_daemon_cli(),
    "dagster-webserver ": create_dagster_webserver_cli(),
}

WORDS = {"DAY": str(DAY), "NAME": "here", "DIR": "restored", "FOLDER": ".", "TITLE": "title", "COMMAND": "status"}
"""What stands for the words in capitals."""

RUN_IN_BLOCKS = [document for document in DOCUMENTS if any(block.language == "sh" for block in blocks(document))]
INLINE = sorted(
    {
        code
        for document in DOCUMENTS
        for code in inline_code(document)
        if code.split()[:1] == ["lumen"] and code != "lumen"
    }
)
NAMES_ONLY = ["lumen archive create", "lumen notify"]
"""Commands that are only spoken of, and that would want arguments."""

SYNOPSES = NAMES_ONLY + [code for code in INLINE if re.search(r"[\[\]|…]", code) and "'" not in code]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Sample data of two days, the newer one made, and two local destinations."""
    installation = Installation.make(tmp_path_factory.mktemp("prepared"), last_day=DAY)
    settings = installation.root / "lumen.yaml"
    settings.write_text(re.sub("^start_date: .*", f"start_date: {DAY}", settings.read_text()))
    installation.json("daily", "--day", str(DAY))
    return installation


@pytest.fixture
def installation(prepared: Installation, tmp_path: Path) -> Installation:
    shutil.copytree(prepared.root, tmp_path / "installation")
    return Installation(tmp_path / "installation")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_says_what_it_is(document: Path) -> None:
    assert {block.language for block in blocks(document)} <= LANGUAGES


@pytest.mark.parametrize("document", RUN_IN_BLOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_blocks_run_in_order(document: Path, installation: Installation) -> None:
    shutil.copytree(ROOT / "deploy", installation.root / "deploy", ignore=shutil.ignore_patterns("secrets", ".env"))
    here = [line for line in lines(document) if not line.startswith(tuple(ELSEWHERE))]
    environment = {
        **installation.environment,
        "HOME": str(installation.root),
        "DAGSTER_HOME": str(installation.home / "dagster"),
        "DAY": str(DAY),
    }
    run_script("\n".join(here), installation.root, environment)


def test_what_is_said_to_run_elsewhere_is_there() -> None:
    everything = [line for document in RUN_IN_BLOCKS for line in lines(document)]
    assert [start for start in ELSEWHERE if not any(line.startswith(start) for line in everything)] == []
    assert [start for start in INLINE_ELSEWHERE if not any(code.startswith(start) for code in INLINE)] == []
    for (document, heading), test in BY_THEMSELVES.items():
        assert any(block.heading == heading for block in blocks(document))
        assert document.name in (ROOT / test).read_text(encoding="utf-8")


def test_commands_of_other_programs_are_run_somewhere() -> None:
    foreign = {code for document in DOCUMENTS for code in inline_code(document) if PROGRAM.match(code)}
    assert {code for code in foreign if not code.startswith(tuple(FOREIGN))} == set()
    assert [start for start in FOREIGN if not any(code.startswith(start) for code in foreign)] == []
    named = {path for why in FOREIGN.values() for path in re.findall(r"\b[\w/]+/[\w./-]+\w", why)}
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("beginning", SERVERS)
def test_servers_know_the_options_that_they_are_given(beginning: str) -> None:
    """They would stay; asked for help as well, they say what they do not know, and end."""
    said = {code for document in DOCUMENTS for code in [*inline_code(document), *lines(document)]}
    commands = [code for code in said if code.startswith(beginning) and " -" in code]
    assert commands
    for command in commands:
        result = CliRunner().invoke(SERVERS[beginning], [*shlex.split(command)[1:], "--help"])
        assert result.exit_code == 0, (command, result.output)


def test_targets_of_make_exist() -> None:
    said = [code for document in DOCUMENTS for code in [*inline_code(document), *lines(document)]]
    targets = {found[1] for code in said if (found := re.match(r"make ([a-z-]+)", code))}
    assert {"daily", "test"} <= targets
    rules = set(re.findall(r"^([a-z-]+(?: [a-z-]+)*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets <= {name for names in rules for name in names.split()}


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_a_readme_says_where_lumen_is_before_it_calls_it(name: str) -> None:
    codes = inline_code(ROOT / name)
    first = next(index for index, code in enumerate(codes) if code.startswith("lumen "))
    assert 'export PATH="$PWD/.venv/bin:$PATH"' in codes[:first]


@pytest.mark.parametrize("code", SYNOPSES)
def test_a_synopsis_names_commands_and_options_that_exist(code: str) -> None:
    words = code.removeprefix("lumen ").partition(" -- ")[0]
    found = list(commands_of(words.split()))
    options = {option for command in found for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z0-9-]+", words)) <= options
    assert found


def test_commands_in_lines_work(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(installation.root)
    failed = []
    with server() as receiver:
        for code in INLINE:
            if code in SYNOPSES or code.startswith(tuple(INLINE_ELSEWHERE)):
                continue
            _, *arguments = (
                re.sub(r"[A-Z]+", lambda found: WORDS.get(found[0], found[0]), word) for word in shlex.split(code)
            )
            shutil.rmtree("restored", ignore_errors=True)
            result = installation.lumen(*arguments, LUMEN_ALERT_URL=receiver.url, LUMEN_ALERT_SECRET=PUBLIC_TEST_KEY)
            if result.exit_code not in (0, 1) or (result.exception and not isinstance(result.exception, SystemExit)):
                failed.append((code, result.exit_code, result.output, result.exception))
    assert failed == []


def lines(document: Path) -> list[str]:
    """The lines of the shell blocks, continued ones joined; without the sections that have a test of their own."""
    found = [
        block.text
        for block in blocks(document)
        if block.language == "sh" and (document, block.heading) not in BY_THEMSELVES
    ]
    return "\n".join(found).replace("\\\n", " ").splitlines()


def commands_of(words: list[str]) -> Iterator[click.Command]:
    """The commands that the words begin with: `key new|id` are two."""
    context = click.Context(main)
    for name in words[0].split("|"):
        command = main.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group) and len(words) > 1:
            for below in words[1].split("|"):
                inner = command.get_command(context, below)
                assert inner is not None, below
                yield inner
        else:
            yield command
