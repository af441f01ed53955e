"""What is read of a run's fingerprint, whole, damaged or missing."""

import json

import pytest

from results.fingerprint import Fingerprint, read, read_fingerprint
from results.folder.errors import FolderError
from results.folder.run_folder import RunFolder
from results.run import Run
from sweep import Plan
from sweep.driver.claim import claim
from sweep.models.verify import loaded
from sweep.plan.fingerprint import fingerprint


def test_it_is_what_the_plan_wrote(tmp_path):
    plan = Plan.load()
    (tmp_path / "fingerprint.json").write_text(json.dumps(fingerprint(plan)))
    source, digest = plan.found_builder.source, plan.table.sha256
    assert read(RunFolder(tmp_path)) == Fingerprint(source, 0, "Rings", digest, {})
    assert read_fingerprint(RunFolder(tmp_path)) == json.loads(json.dumps(fingerprint(plan)))


DAMAGED = ["", "{", "[]", '{"builder": 3, "data": null}', "\x00", pytest.param("[" * 100_000, id="deep")]


@pytest.mark.parametrize("content", [None, *DAMAGED])
def test_of_a_damaged_or_missing_one_nothing_is_known(tmp_path, content):
    if content is not None:
        (tmp_path / "fingerprint.json").write_text(content)
    assert read(RunFolder(tmp_path)) == Fingerprint()


@pytest.mark.parametrize("content", DAMAGED)
def test_what_needs_all_of_it_names_the_damaged_file_and_the_remedy(tmp_path, content):
    plan, folder = Plan.load(), RunFolder(tmp_path)
    folder.plan.write_text(plan.to_yaml())
    folder.fingerprint.write_text(content)
    for needs in (
        lambda: claim(folder, plan.to_yaml(), fingerprint(plan)),
        lambda: loaded(Run(tmp_path), True),
    ):
        with pytest.raises(
            FolderError, match=r"fingerprint\.json: cannot be read, .* Put it back, or run into"
        ):
            needs()
