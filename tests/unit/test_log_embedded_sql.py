"""The embedded endpoint tells SQL from data and a statement with rows from one without."""

from __future__ import annotations

import pytest

from app.embedded.sql import Insert, Statement, Unreadable, read


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            b"INSERT INTO t (a) FORMAT Native\n\x00\n;\xff",
            Insert("INSERT INTO t (a)", "", "Native", b"\x00\n;\xff"),
        ),
        (b"insert into t format TSV 1\t2\n", Insert("insert into t", "", "TSV", b"1\t2\n")),
        (b"INSERT INTO t FORMAT CSV\r\n\n1", Insert("INSERT INTO t", "", "CSV", b"\n1")),
        (b"INSERT INTO t FORMAT CSV;\n1", Insert("INSERT INTO t", "", "CSV", b"1")),
        (b"INSERT INTO t VALUES (1,'FORMAT')", Insert("INSERT INTO t", "", "Values", b" (1,'FORMAT')")),
        (
            b"INSERT INTO `format` (`values`, \"select\") SETTINGS x='FORMAT y', z=1 FORMAT JSONEachRow\n{}",
            Insert(
                'INSERT INTO `format` (`values`, "select")',
                "SETTINGS x='FORMAT y', z=1",
                "JSONEachRow",
                b"{}",
            ),
        ),
        (
            b"/* FORMAT x */ INSERT -- FORMAT y\nINTO db.t FORMAT CSV\n",
            Insert("/* FORMAT x */ INSERT -- FORMAT y\nINTO db.t", "", "CSV", b""),
        ),
        (b"INSERT INTO `a\\`b` FORMAT CSV\n1", Insert("INSERT INTO `a\\`b`", "", "CSV", b"1")),
    ],
)
def test_an_insert_is_told_from_its_data(text: bytes, wanted: Insert) -> None:
    found = read(text)
    assert isinstance(found, Insert)
    assert found.data == wanted.data
    assert (found.sql.strip(), found.settings.strip(), found.format) == (
        wanted.sql,
        wanted.settings,
        wanted.format,
    )


@pytest.mark.parametrize(
    ("text", "form", "answers"),
    [
        (b"SELECT 1", None, True),
        (b"select 1 format JSON;", "JSON", True),
        (b"SELECT 'FORMAT x', (SELECT 1 FORMAT y)", None, True),
        (b"SELECT 1 FORMAT JSON SETTINGS max_threads = 1", "JSON", True),
        (b"WITH 1 AS x SELECT x", None, True),
        (b"(SELECT 1)", None, True),
        (b"CREATE TABLE t (a String DEFAULT 'x;y') ENGINE = Memory", None, False),
        (b"INSERT INTO t SELECT 1 FORMAT JSON", "JSON", True),
        (b"INSERT INTO t FROM INFILE 'x' FORMAT CSV", "CSV", True),
        (b"DROP TABLE t -- ;\n;;", None, False),
        (b"SELECT $tag$ ; FORMAT x $tag$", None, True),
        (b"SELECT ';'", None, True),
        (b"SHOW TABLES", None, True),
        (b"SYSTEM RELOAD CONFIG", None, False),
    ],
)
def test_any_other_statement_keeps_its_text(text: bytes, form: str | None, answers: bool) -> None:
    assert read(text) == Statement(text.decode(), form, answers)


@pytest.mark.parametrize("text", [b"", b"  \n", b"-- nothing", b";", b"/* x */ ;"])
def test_nothing_is_no_statement(text: bytes) -> None:
    with pytest.raises(Unreadable, match="Empty query"):
        read(text)


@pytest.mark.parametrize("text", [b"SELECT 1; SELECT 2", b"DROP TABLE a;DROP TABLE b", b"SELECT 1;;x"])
def test_several_statements_are_refused(text: bytes) -> None:
    with pytest.raises(Unreadable, match="Multi-statements"):
        read(text)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(Unreadable, match="UTF-8"):
        read(b"SELECT '\xff'")


def test_a_file_name_is_quoted() -> None:
    insert = Insert("INSERT INTO t", "SETTINGS a = 1", "CSV", b"")
    assert insert.from_file("/tmp/it's") == (
        "INSERT INTO t FROM INFILE '/tmp/it\\'s' COMPRESSION 'none' SETTINGS a = 1 FORMAT CSV"
    )
