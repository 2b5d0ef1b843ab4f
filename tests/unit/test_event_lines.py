"""A file of lead events is checked line by line, and each line keeps its number and its bytes."""

from __future__ import annotations

import io

from app.leads.lines import BadLine, EventLine, read_lines

_GOOD = b'{"event_id": "e-1", "lead_id": "L-1", "flow_id": "F-1", "status": "new"}'


def test_a_line_is_sent_as_it_stands() -> None:
    (line,) = read_lines([b"  " + _GOOD + b" \r\n"])
    assert line == EventLine(1, "e-1", "L-1", _GOOD)


def test_blank_lines_count_and_are_left_out() -> None:
    lines = read_lines(io.BytesIO(b"\n" + _GOOD + b"\n\n \n" + _GOOD))
    assert [line.number for line in lines] == [2, 5]


def test_a_byte_order_mark_at_the_beginning_is_no_fault() -> None:
    (line,) = read_lines([b"\xef\xbb\xbf" + _GOOD])
    assert isinstance(line, EventLine)
    assert line.value == _GOOD
    assert isinstance(list(read_lines([_GOOD, b"\xef\xbb\xbf" + _GOOD]))[1], BadLine)


def test_a_wrong_line_has_its_number_its_path_and_why() -> None:
    lines = [
        *(_GOOD, b'{"event_id": "e"}', b'{"event_id": "e", "lead_id": "L", "click": {"id": 7}}', b"{", b"[]"),
        *(b"\xff", b'{"event_id": "e", "lead_id": "L", "meta": {"a": "' + b"x" * 300_000 + b'"}}'),
    ]
    told = {line.number: str(line.fault) for line in read_lines(lines) if isinstance(line, BadLine)}
    assert told.keys() == {2, 3, 4, 5, 6, 7}
    assert told[2] == "lead_id: missing"
    assert told[3] == "click.id: expected a text, got a number"
    assert "not JSON" in told[4]
    assert "expected an object" in told[5]
    assert "not UTF-8" in told[6]
    assert "over the limit of 262144" in told[7]
