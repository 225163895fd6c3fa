"""The live page as its server gives it, and as a real browser shows it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.operating import live_page
from dbsl_tf.operating.live_page import LivePage, page_server, start_renewing
from dbsl_tf.operating.live_state import write_live_state
from dbsl_tf.results.history import History
from dbsl_tf.results.run_directory import RunDirectory
from tests.operating.test_live_state import state
from tests.support.browsers import headless_browser
from tests.support.patience import at_most, wait_until
from tests.support.records import commit_record
from tests.support.run_directories import START, make_run


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """A run of 32 commits that goes on after the tenth."""
    directory = make_run(tmp_path / "run", commits=10)
    write_live_state(directory, state())
    return directory


@pytest.fixture
def port(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where the page is served, which renews itself often."""
    monkeypatch.setattr(live_page, "_PERIOD", 0.05)
    monkeypatch.setattr(live_page, "_SHARE", 1.0)
    page = LivePage(directory.path)
    start_renewing(page)
    with page_server(page, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def train(directory: RunDirectory, *commits: int) -> None:
    """The run gets on."""
    with History(directory.history) as history:
        for commit in commits:
            history.committed(
                commit_record(
                    commit=commit,
                    epoch=(commit + 1) // 2,
                    worker=commit % 2,
                    role=("small", "large")[commit % 2],
                    started=START + commit,
                )
            )


def get(port: int, path: str, **headers: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def status(port: int) -> dict[str, Any]:
    return json.loads(get(port, "/status.json")[1])


class TestServer:
    def test_the_page_gets_on_with_the_run(self, directory: RunDirectory, port: int) -> None:
        assert status(port)["drawing"] == 1
        assert any("commit 10 of 32" in line for line in status(port)["lines"])
        assert "not finished: commit 10 of 32" in get(port, "/")[1]
        train(directory, 11, 12)
        wait_until(lambda: status(port)["drawing"] == 2)
        assert "not finished: commit 12 of 32" in get(port, "/")[1]
        # Without anything new it is not drawn again.
        write_live_state(directory, state(phase="loading"))
        wait_until(lambda: "loading" in status(port)["lines"][0])
        assert status(port)["drawing"] == 2

    @pytest.mark.slow
    def test_what_cannot_be_read_is_shown_until_it_can(
        self, directory: RunDirectory, port: int
    ) -> None:
        before = directory.plan.read_bytes()
        directory.plan.write_text("{")
        wait_until(lambda: "plan.json cannot be read" in status(port)["lines"][0])
        assert "not finished: commit 10 of 32" in get(port, "/")[1]
        directory.plan.write_bytes(before)
        wait_until(lambda: "training (process" in status(port)["lines"][0])

    @pytest.mark.slow
    def test_pages_of_others_get_nothing(self, port: int) -> None:
        assert get(port, "/", Host=f"example.com:{port}") == (403, "only for this machine\n")
        assert get(port, "/", Host="localhost.example.com")[0] == 403
        for host in (f"localhost:{port}", f"[::1]:{port}", "LOCALHOST", "127.0.0.1"):
            assert get(port, "/", Host=host)[0] == 200
        assert get(port, "/../config.yaml")[0] == 404

    @pytest.mark.parametrize("port", [-1, 65536])
    def test_no_port(self, directory: RunDirectory, port: int) -> None:
        with pytest.raises(UserError, match=f"--port {port} cannot be used"):
            page_server(LivePage(directory.path), port)


@pytest.fixture
def browser() -> Iterator[Any]:
    with headless_browser() as found:
        yield found


@pytest.mark.slow
def test_a_browser_shows_the_run_as_it_goes_on(
    directory: RunDirectory, port: int, browser: Any
) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=1000 * at_most(20))
    page = browser.new_page(viewport={"width": 1200, "height": 600})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.goto(f"http://127.0.0.1:{port}/")
    live, report = page.locator("#live"), page.locator("#report")
    expect(live).to_contain_text("commit 10 of 32")
    expect(report).to_contain_text("not finished: commit 10 of 32")
    page.locator("summary", has_text="config.yaml").click()
    page.evaluate("window.scrollTo(0, 700)")
    train(directory, 11, 12, 13)
    expect(live).to_contain_text("commit 13 of 32")
    expect(report).to_contain_text("not finished: commit 13 of 32")
    # Readers stay where they were.
    expect(page.locator("details", has_text="config.yaml")).to_have_attribute("open", "")
    assert page.evaluate("window.scrollY") == 700
    assert page.locator("#report svg").count() >= 5
    write_live_state(directory, state(outcome="interrupted", message="saved: resume with x"))
    expect(live).to_contain_text("interrupted: saved: resume with x")
    assert problems == []
    page.route("**/status.json", lambda route: route.abort())
    expect(live).to_contain_text("dbsl watch does not answer")
