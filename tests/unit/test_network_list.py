"""A network's list of conversions, in the dialects that networks and spreadsheets write."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.queries.networklist import BadLine, Line, ListFault, amount, read_list

WANTED = [Line(2, "c-1", "approved", Decimal("12.50")), Line(3, "c-2", "hold", None)]


def read(content: bytes | str, **columns: str) -> list[Line | BadLine]:
    return list(read_list(content.encode() if isinstance(content, str) else content, columns))


@pytest.mark.parametrize(
    "content",
    [
        "click_id,status,payout\nc-1,approved,12.50\nc-2,hold,\n",
        "Click ID;Status;Payout\r\nc-1;Approved;12,50\r\nc-2;HOLD;-\r\n",
        "offer\tsubid\tstate\trevenue\n1\tc-1\tapproved\t$12.50\n2\tc-2\thold\t\n",
        '"aff_sub"|"payout"|"conversion status"\n"c-1"|"12,50 €"|"approved"\n"c-2"|""|"hold"\n',
        "﻿sub1,status,amount\nc-1,approved,12.50\nc-2,hold,\n",
        "subid,click_id,status,payout\nx,'c-1,approved,12.50\nx,c-2,hold,\n".replace("'c", "c"),
        "click_id,status,payout\rc-1,approved,12.50\rc-2,hold,\r",
    ],
)
def test_separators_names_marks_and_numbers_are_read_as_they_are_written(content: str) -> None:
    assert read(content) == WANTED


@pytest.mark.parametrize("codec", ["utf-16", "utf-8-sig", "cp1252"])
def test_the_codecs_of_spreadsheets_are_read(codec: str) -> None:
    assert read("click_id;status;note\nc-1;Ünklar;ä\n".encode(codec)) == [Line(2, "c-1", "ünklar", None)]


def test_a_bad_line_says_why_and_costs_no_other() -> None:
    found = read(
        'sep=;\nclick;status;payout\n;new;1\nc-1;new\nc-2;new;1;2\n"c-3;new;1\nc-4;new;a lot\n'
        "1,2E+15;new;1\n\n"
        'c-5;"two\nlines";1,5\nc-6;n"ew;2;;\n'
    )
    assert {one.line: one.reason for one in found if isinstance(one, BadLine)} == {
        3: "no click id",
        4: "2 cells where the first line has 3",
        5: "4 cells where the first line has 3",
        6: "no CSV: unexpected end of data",
        7: "payout 'a lot' is no number",
        8: "click id 1,2E+15 was rounded by a spreadsheet",
    }
    assert [one for one in found if isinstance(one, Line)] == [
        Line(10, "c-5", "two\nlines", Decimal("1.5")),
        Line(12, "c-6", 'n"ew', Decimal(2)),
    ]


def test_columns_may_be_named_and_a_wrong_name_is_told_with_the_nearest() -> None:
    text = "click_id,my_ref,what,money\nx,c-1,approved,12.50\n"
    assert read(text, click="my_ref", status="what", payout="Money") == WANTED[:1]
    with pytest.raises(ListFault, match="did you mean my_ref"):
        read(text, click="myref2")
    with pytest.raises(ListFault, match="which column holds the click ids"):
        read("a,b\n1,2\n")
    with pytest.raises(ListFault, match="empty"):
        read("\n \n")


@pytest.mark.parametrize(
    ("text", "comma_is_decimal", "expected"),
    [
        ("1 234,50", False, "1234.50"),
        ("1.234,50", False, "1234.50"),
        ("1,234.50", True, "1234.50"),
        ("1,234", False, "1234"),
        ("1,234", True, "1.234"),
        ("1.234.567", False, "1234567"),
        ("12,5", False, "12.5"),
        ("USD 12.50", False, "12.50"),
        ("-3", False, "-3"),
        (".5", False, "0.5"),
        ("0", False, "0"),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, comma_is_decimal: bool, expected: str) -> None:
    assert amount(text, comma_is_decimal=comma_is_decimal) == Decimal(expected)


@pytest.mark.parametrize("text", ["1e5", "12-50", "1.2 of 3", "abc"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        amount(text, comma_is_decimal=False)
