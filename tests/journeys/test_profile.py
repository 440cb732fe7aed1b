"""Where time and memory go is told for every stage, where it is asked for and in the report."""

import json

CUSTOMERS = "external_reference,name,currency,balance\nA-1,Ann,ZAR,100\nA-2,Ben,ZAR,-5\nA-1,Ann,ZAR,100\nB/1,Cas,ZAR,7\n"
STAGES = (
    "read", "total", "map", "normalize", "validate", "payloads", "stage", "remember", "match", "plan", "doubt", "hash",
    "fates", "lists", "keep", "sum",
)  # fmt: skip


def test_a_plan_shows_seconds_rows_and_memory_of_each_stage_on_request(inside):
    (inside.folder / "c.csv").write_text(CUSTOMERS)

    told = inside("plan", "c.csv", "--profile", "--json")
    silent = inside("plan", "c.csv")

    profile = json.loads(told.stdout)["profile"]
    assert tuple(profile) == STAGES
    assert {
        stage: of["rows"] for stage, of in profile.items() if stage not in {"remember", "hash"}
    } == dict.fromkeys((stage for stage in STAGES if stage not in {"remember", "hash"}), 4)
    assert all(of["seconds"] >= 0 and of["peak_bytes"] > 10_000_000 for of in profile.values())
    lines = told.stderr.splitlines()
    assert [line.split()[0] for line in lines[-len(STAGES) :]] == list(STAGES)
    assert "peak MB" not in silent.stderr + silent.stdout


def test_the_report_shows_the_stages_of_the_plan_and_of_its_application(inside):
    (inside.folder / "c.csv").write_text(CUSTOMERS)

    inside("run", "c.csv", "--sandbox", "--yes")

    page = (inside.newest() / "report.html").read_text()
    assert "Where the time went" in page
    for stage in (*STAGES, "submit"):
        assert f">{stage.capitalize()}</th>" in page
    seconds = json.loads((inside.newest() / "summary.json").read_text())["seconds"]
    assert set(seconds) == {*STAGES, "submit"}
