"""What is read of a run's fingerprint, whole, damaged or missing."""

import json

import pytest

from results.fingerprint import Fingerprint, read
from results.folder.run_folder import RunFolder
from sweep import Plan
from sweep.plan.fingerprint import fingerprint


def test_it_is_what_the_plan_wrote(tmp_path):
    plan = Plan.load()
    (tmp_path / "fingerprint.json").write_text(json.dumps(fingerprint(plan)))
    source, digest = plan.found_builder.source, plan.table.sha256
    assert read(RunFolder(tmp_path)) == Fingerprint(source, 0, "Rings", digest, {})


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"builder": 3, "data": null}', "\x00"])
def test_of_a_damaged_or_missing_one_nothing_is_known(tmp_path, content):
    if content is not None:
        (tmp_path / "fingerprint.json").write_text(content)
    assert read(RunFolder(tmp_path)) == Fingerprint()
