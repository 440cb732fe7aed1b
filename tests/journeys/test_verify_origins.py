"""`pipeline verify` tests the check beside each listed record where the key of the home is at hand, and says so where it is not."""

import csv
import io
import json
import shutil

from pipeline.storage.files import token_key
from tests.journeys.test_verify import reseal, run

ROWS = "external_reference,name,email\nC-1,Ann,ann@example.com\nC-2,Bo,no address\nC-3,Cy,no address either\n"
WHAT = "each _import_check"


def origins(pipeline, folder, *more):
    """Exit code of `verify`, and its check of origins."""
    result = pipeline("verify", folder, "--json", *more)
    (found,) = [
        check for check in json.loads(result.stdout)["checks"] if check["what"].startswith(WHAT)
    ]
    return result.returncode, found


def test_each_check_is_tested_with_the_key_of_the_home_and_one_of_another_record_is_named(pipeline):
    (pipeline.folder / "c.csv").write_text(ROWS)
    folder = run(pipeline, "c.csv")

    code, found = origins(pipeline, folder)
    assert (code, found["holds"], found["what"].endswith("(3 tested)")) == (0, True, True)

    for key in (None, token_key(pipeline.folder / "other")):  # the second home has a key of its own
        code, found = origins(pipeline, folder, "--home", "nowhere" if key is None else "other")
        assert (code, found["holds"]) == (0, None)
        assert found["found"].startswith("0 of 3 tested: ")
    assert not (pipeline.folder / "nowhere").exists()

    copy = shutil.copytree(folder, pipeline.folder / "copied" / folder.name)
    text = (copy / "rejected.csv").read_text()
    first, second = (row["_import_check"] for row in csv.DictReader(io.StringIO(text)))
    (copy / "rejected.csv").write_text(text.replace(second, first))
    reseal(copy)
    code, found = origins(pipeline, copy)
    assert (code, found["holds"]) == (7, False)
    assert found["found"] == "c.csv:4: _import_check in rejected.csv is wrong"
