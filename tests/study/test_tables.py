"""Rows as an aligned table, CSV and JSON."""

from __future__ import annotations

import json

from attn_nmt.study.tables import render

ROWS = [
    {"name": "a", "new": True, "cost": 1234.5678, "paper": None, "empty": None, "hidden": "x,y"},
    {"name": "long", "new": False, "cost": 0.25, "paper": 2, "empty": None, "hidden": None},
]
COLUMNS = {"name": "", "new": "", "cost": ",.2f", "paper": ".1f", "empty": "d"}


def test_a_table_aligns_and_leaves_out_what_says_nothing() -> None:
    assert render(ROWS, "table", COLUMNS) == (
        "name  new      cost  paper\na     yes  1,234.57\nlong           0.25    2.0\n"
    )


def test_csv_holds_all_keys_in_full_and_quotes() -> None:
    assert render(ROWS, "csv", COLUMNS) == (
        'name,new,cost,paper,empty,hidden\na,True,1234.5678,,,"x,y"\nlong,False,0.25,2,,\n'
    )


def test_json_is_one_object_a_line() -> None:
    text = render(ROWS, "json", COLUMNS)
    assert [json.loads(line) for line in text.splitlines()] == ROWS
    assert text.endswith("}\n")
