"""Sweeps into a real S3 on the loopback address: real Ray, real kills; the training is made up."""

import json
import signal
import time

import pandas as pd
import pytest
from click.testing import CliRunner

import results
from results.folder import lease, retry
from results.folder.run_folder import RunFolder
from sweep import Plan, run
from sweep.commands.main import main
from sweep.plan.order import Selection
from tests.help.commands import refused
from tests.help.plans import small_plan, write_plan
from tests.help.s3 import CANARY

OUT = "s3://bucket/a/run"


def rows():
    try:
        return pd.read_parquet(f"{OUT}/points")
    except FileNotFoundError:  # before the first commit
        return pd.DataFrame({"idx": []})


def command(*arguments):
    """Run a command that only reads, in this process: to start Python takes longer."""
    answer = CliRunner().invoke(main, arguments)
    return answer.exit_code, answer.output


def files_below(*folders):
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


@pytest.mark.slow
@pytest.mark.xdist_group("a sweep into S3 that is killed")
def test_a_sweep_is_killed_and_resumed_and_read_by_every_command(numpy_sweeps, s3, tmp_path):
    sweeps = numpy_sweeps
    write_plan(sweeps.folder, engine="keras")
    sweeps.hold.write_text(" ".join(map(str, [*Selection(12, 0, points=6)][:2])))
    arguments = ("run", "plan.yaml", "--out", OUT, "--points", "6", "--cpus", "1")
    process = sweeps.start(*arguments)
    sweeps.wait_for(lambda: len(rows()), process)
    code, output = sweeps.run("run", "plan.yaml", "--out", OUT)
    assert code == 2 and f"{OUT} is held by process {process.pid} on" in output
    code, output = command("status", OUT)
    assert code == 0 and "state      running, by process" in output
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = rows()
    assert 0 < len(kept) <= 2 and kept["idx"].is_unique
    sweeps.hold.unlink()
    code, output = sweeps.run(*arguments)
    assert code == 0, output
    found = rows()
    assert len(found) == 6 and found["idx"].is_unique
    pd.testing.assert_frame_equal(found.set_index("idx").loc[kept["idx"]], kept.set_index("idx"))
    assert f"sweep top {OUT} -n 20" in output

    code, output = command("status", OUT, "--json")
    assert json.loads(output)["state"] == "finished" and json.loads(output)["rows"] == 6
    code, output = command("top", OUT, "--json")
    assert len(json.loads(output)) == 6
    code, output = command("curves", OUT)
    assert code == 0 and "val_loss" in output
    code, output = command("report", OUT)
    assert code == 0 and f"Wrote {OUT}/report.html" in output, output
    opened = results.open(OUT)
    best = int(opened.top(1).loc[0, "idx"])
    assert len(opened.curves(best)) == 4 and opened.weights(best)
    assert CANARY.encode() not in b"".join(
        (opened.folder.path / n).read_bytes() for n in ("report.html", "sweep.log")
    )
    stored = [
        path for name in ("points", "curves", "weights") for path in (opened.folder.path / name).glob("*")
    ]
    for path in [*stored, *opened.folder.path.glob("*"), *files_below(tmp_path)]:
        assert CANARY.encode() not in path.read_bytes(), path


@pytest.mark.ci
@pytest.mark.xdist_group("a sweep into S3 that goes away")
def test_a_store_that_goes_away_stops_the_sweep_and_nothing_finished_is_lost(workplace, s3, monkeypatch):
    from tests.help.numpy_trial import NumpyTrial

    monkeypatch.setattr(retry, "PATIENCE_S", 2.0)
    monkeypatch.setattr(retry, "FIRST_PATIENCE_S", 0.3)
    monkeypatch.setattr(lease, "SETTLE_S", 0.1)
    plan = Plan(**small_plan(engine="keras"), base=workplace)
    folder = RunFolder(OUT)
    gone = []

    def decide(method, path):
        if method == "PUT" and "/points/" in path and "part-00000" not in path:
            gone.append(time.monotonic())
        return "cut before" if gone else None

    s3.decide = decide
    first = run(plan, OUT, points=4, cpus=1, show=False, trainable=NumpyTrial)
    assert time.monotonic() - gone[0] < 120
    assert first.exit_code == 3 and str(folder.spool) in first.error and "does not answer" in first.error
    assert first.tally.open == 4 - first.tally.done
    s3.decide = lambda method, path: None
    assert rows()["idx"].tolist() == []
    [kept] = [pd.read_parquet(path) for path in (folder.spool / "points").glob("*")]
    second = run(plan, OUT, points=4, cpus=1, show=False, trainable=NumpyTrial)
    assert second.exit_code == 0 and second.tally.before == len(kept) > 0
    assert any("have been stored" in note for note in second.notes)
    found = rows()
    assert len(found) == 4 and found["idx"].is_unique and not folder.spool.exists()
    pd.testing.assert_frame_equal(found.head(len(kept)), kept)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("s3://none/run", "there is no bucket 'none'"),
        ("s3://bucket/run?secret_key=hush-hush", "AWS_SECRET_ACCESS_KEY"),
        ("s3://bucket/run?endpoint_override=127.0.0.1:9&scheme=http", "does not answer"),
        ("ftp://host/run", "A run cannot live on ftp://"),
    ],
)
def test_a_wrong_uri_is_answered_by_one_message(workplace, s3, monkeypatch, uri, said):
    monkeypatch.chdir(workplace)
    write_plan(workplace)
    for words in (("run", "plan.yaml", "--out", uri), ("status", uri)):
        began = time.monotonic()
        output = refused(*words)
        said_here = "there is no sweep here" if words[0] == "status" and "none/" in uri else said
        assert said_here in " ".join(output.split()) and "hush" not in output
        assert time.monotonic() - began < 60
    assert not (workplace / "s3:").exists()
