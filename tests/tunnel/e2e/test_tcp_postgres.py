"""A real PostgreSQL behind a TCP port of the exit node, used by its own programs."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support.own_service import POSTGRES_PASSWORD, free_port, postgres_server
from support.requirements import require_program
from support.tunnel_kit import Starter, write_token
from support.wire import eventually

PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Database:
    """PostgreSQL, as a visitor of the exit node sees it."""

    port: int

    @property
    def environment(self) -> dict[str, str]:
        """What the programs of PostgreSQL read: where it is, and who they are."""
        return os.environ | {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "tunel",
            "PGPASSWORD": POSTGRES_PASSWORD,
            "PGDATABASE": "postgres",
            "PGCONNECT_TIMEOUT": "20",
        }

    def run(self, program: str, *options: str, data: bytes = b"") -> bytes:
        """Run a program of PostgreSQL's; return what it says."""
        command = [require_program(program, "apt install postgresql"), *options]
        ran = subprocess.run(
            command, input=data, env=self.environment, capture_output=True, timeout=PATIENCE_S, check=False
        )
        assert ran.returncode == 0, ran.stderr.decode()
        return ran.stdout

    def ask(self, query: str) -> str:
        """Return the answer to a query, without ornaments."""
        return self.run("psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", query).decode().strip()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("postgres")
    with postgres_server() as service, Starter(write_token(folder / "token.txt")).running() as start:
        port = free_port()
        server = start.server(f"--tcp-ports={port}")
        client = start.connected_client(server, options=(f"--tcp={port}=127.0.0.1:{service}",))
        yield Database(port)
        assert client.count("connected") == 1, f"the link was lost: {client.description}"


def test_a_query_is_answered_and_a_wrong_password_is_not(database: Database) -> None:
    assert database.ask("select 6 * 7") == "42"
    psql = require_program("psql", "apt install postgresql")
    ran = subprocess.run(
        [psql, "-X", "-c", "select 1"],
        env=database.environment | {"PGPASSWORD": "otra"},
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ran.returncode == 2
    assert b"password authentication failed" in ran.stderr


def test_a_table_goes_in_and_comes_out_byte_by_byte(database: Database) -> None:
    draw = random.Random(11)
    rows = b"".join(b"%d\t%s\n" % (number, draw.randbytes(200).hex().encode()) for number in range(10_000))
    database.ask("drop table if exists fotos; create table fotos (id int primary key, datos text)")
    database.run("psql", "-X", "-c", "copy fotos from stdin", data=rows)
    assert database.ask("select count(*) from fotos") == "10000"
    assert database.run("psql", "-X", "-c", "copy (select * from fotos order by id) to stdout") == rows


def test_many_sessions_at_once_leave_the_accounts_balanced(database: Database) -> None:
    database.run("pgbench", "--initialize", "--quiet", "--scale=1")
    told = database.run("pgbench", "--client=8", "--transactions=50", "--no-vacuum")
    assert b"number of transactions actually processed: 400/400" in told
    assert b"number of failed transactions: 0" in told
    sums = "select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history)"
    assert database.ask(sums) == "t"


def test_a_query_is_cancelled_over_a_connection_of_its_own(database: Database) -> None:
    psql = require_program("psql", "apt install postgresql")
    query = "select pg_sleep(300) as larga"
    with subprocess.Popen(
        [psql, "-X", "-c", query], env=database.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as asking:
        running = f"select count(*) from pg_stat_activity where state = 'active' and query = '{query}'"
        eventually(lambda: database.ask(running) == "1", "the query to run", PATIENCE_S)
        asking.send_signal(signal.SIGINT)
        _, said = asking.communicate(timeout=PATIENCE_S)
    assert b"canceling statement due to user request" in said
    assert database.ask(running) == "0"


def test_a_notice_reaches_a_session_that_was_silent(database: Database) -> None:
    psql = require_program("psql", "apt install postgresql")
    with subprocess.Popen(
        [psql, "-X", "-A", "-t"],
        env=database.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as listening:
        assert listening.stdin is not None
        assert listening.stdout is not None
        listening.stdin.write("listen avisos;\nselect 'escucha';\n")
        listening.stdin.flush()
        assert [listening.stdout.readline() for _ in range(2)] == ["LISTEN\n", "escucha\n"]
        database.ask("notify avisos, 'llegó'")
        said, _ = listening.communicate("select 'sigue';\n", timeout=PATIENCE_S)
    assert said.startswith('sigue\nAsynchronous notification "avisos" with payload "llegó"')
