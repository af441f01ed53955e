"""Tables and plans that must be refused, each with words of the message."""

import pandas as pd

from tests.help.plans import small_plan


def changed(column, row, value):
    def change(path):
        table = pd.read_csv(path, dtype=object)
        table.loc[row, column] = value
        table.to_csv(path, index=False)

    return change


def text(content, encoding="utf-8"):
    return lambda path: path.write_bytes(content.encode(encoding))


def lines(count):
    return lambda path: path.write_text("\n".join(path.read_text().splitlines()[:count]))


def edited(function):
    return lambda path: function(pd.read_csv(path)).to_csv(path, index=False)


BAD_TABLES = {
    "no file": (lambda path: path.unlink(), {}, ["there is no such file"]),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), {}, ["cannot be read"]),
    "empty file": (text(""), {}, ["the file is empty"]),
    "names only": (text("a,b,kind,target\n"), {}, ["row"]),
    "target missing": (None, {"target": "price"}, ['no column "price"', "target"]),
    "target is text": (changed("target", 4, "high"), {}, ['"target"', "'high'", "row 6"]),
    "a number asked for": (None, {"target": "kind", "task": "regression"}, ['target "kind"', "row 2"]),
    "target constant": (edited(lambda t: t.assign(target=1.0)), {}, ["in every row", "target"]),
    "target value missing": (changed("target", 9, ""), {}, ['"target" has no value in row 11']),
    "value missing": (changed("b", 2, None), {}, ['"b" has no value in row 4', "1 missing"]),
    "category missing": (changed("kind", 0, None), {}, ['"kind" has no value in row 2']),
    "infinite": (changed("a", 3, "inf"), {}, ['"a" is', "row 5"]),
    "beyond float32": (changed("a", 3, "1e200"), {}, ['"a" is 1e+200', "row 5"]),
    "number with a slip": (changed("a", 7, "12x"), {}, ["'12x'", "row 9", "number in most rows"]),
    "only constant columns": (
        edited(lambda t: t.assign(a=1, b=3, kind="x")),
        {},
        ["no column is left", '"b" is left out: it is 3 in every train row'],
    ),
    "empty column": (edited(lambda t: t.assign(b=None)), {}, ['"b" is empty']),
    "identifier": (
        edited(lambda t: t.assign(kind=[f"id{i}" for i in range(len(t))])),
        {},
        ['"kind" has 120 different', "drop"],
    ),
    "duplicate names": (
        text("a,a,target\n" + "1,2,3\n" * 30),
        {},
        ['two columns are called "a"', "column 2"],
    ),
    "nameless column": (text("a,,target\n" + "1,2,3\n" * 30), {}, ["column 2 has no name"]),
    "too few rows": (lines(11), {}, ["10 rows", "at least 20"]),
    "wrong delimiter": (
        text("a;b;target\n" + "1;2;3\n" * 30),
        {},
        ['line 1 has one field when split at ","', "data.delimiter: ';'"],
    ),
    "ragged": (text("a,b,target\n" + "1,2,3\n" * 30 + "1,2,3,4\n"), {}, ["line 32 has 4 fields", "has 3"]),
    "short line": (
        text("a,b,target\n" + "1,2,3\n4,5,6\n" * 15 + "7,8\n"),
        {},
        ["line 32 has 2 fields, but line 1 has 3"],
    ),
    "wider than its header": (
        text("a,b,target\n" + "1,2,3,4\n" * 30),
        {},
        ["line 2 has 4 fields, but line 1 has 3"],
    ),
    "bad value behind blank lines": (
        text("\n\na, b, target\n\n" + '1,"2\n",3\n4,5,6\n' * 15 + "x,5,6\n"),
        {},
        ["'x'", "row 50"],
    ),
    "decimal commas": (
        text("a;target\n" + "".join(f"0,{i};{i}\n" for i in range(10, 60))),
        {"delimiter": ";"},
        ['"a" looks like numbers with commas', "'0,10'"],
    ),
    "a number of 400 digits": (
        text("a,target\n" + "1,2\n3,4\n" * 15 + f"{'9' * 400},3\n"),
        {},
        ['"a"', "row 32"],
    ),
    "a target of 400 digits": (
        text("a,target\n" + "1,2\n3,4\n" * 15 + f"2,{'9' * 400}\n"),
        {},
        ['"target"', "row 32"],
    ),
    "zero byte": (text("a,target\n" + "1,2\n3,4\n" * 15 + "\0,3\n"), {}, ["table"]),
    "utf-16 asked for": (None, {"encoding": "utf-16"}, ["utf-16"]),
    "encoding with a zero byte": (None, {"encoding": "a\0b"}, ["encoding"]),
    "encoding": (
        text("a,b,target\n" + "1,2,3\n" * 3 + "é,2,3\n", "latin-1"),
        {},
        ["line 5", "0xe9", "encoding"],
    ),
    "no such encoding": (None, {"encoding": "utf-99"}, ["utf-99", "unknown encoding"]),
    "no header": (text("1,2,3\n" * 30), {}, ["line 1 should hold the columns' names", "header: false"]),
    "wrong number of names": (
        None,
        {"header": False, "columns": ["a", "target"]},
        ["4 fields", "data.columns names 2"],
    ),
    "only the target": (edited(lambda t: t[["target"]]), {}, ["no column to learn from"]),
    "target in other letters": (
        edited(lambda t: t.rename(columns={"target": "Target"})),
        {},
        ['no column "target", which data.target names (did you mean "Target"?)'],
    ),
    "drop unknown": (None, {"drop": ["bb"]}, ['no column "bb"', "data.drop"]),
    "drop target": (None, {"drop": ["target"]}, ["names the target"]),
    "all tested": (None, {"test_fraction": 0.999}, ["leave 0 to train on"]),
    "indicator clash": (
        edited(lambda t: t.assign(kind_x=range(len(t)))),
        {},
        ['would be called "kind_x"'],
    ),
}


def without(key):
    return {name: value for name, value in small_plan().items() if name != key}


SPACE = small_plan()["space"]


BAD_PLANS = {
    "unknown key": (small_plan(epoch=3), ['unknown key "epoch"']),
    "misspelt key": (small_plan(schedular="asha"), ['Did you mean "scheduler"?', "line"]),
    "misspelt inner key": (small_plan(fit={"epoch": 3}), ['unknown key "epoch" in fit', '"epochs"', "line"]),
    "misspelt rule": (
        small_plan(callbacks={"early_stoping": {}}),
        ['in callbacks. Did you mean "early_stopping"?'],
    ),
    "misspelt patience": (small_plan(callbacks={"early_stopping": {"patient": 1}}), ['"patience"', "line"]),
    "misspelt data key": (small_plan(data={"path": "table.csv", "targett": "x"}), ['"target"']),
    "no data": (without("data"), ['"data" is missing']),
    "no builder": (without("builder"), ['"builder" is missing']),
    "no space": (without("space"), ['"space" is missing']),
    "no target": (small_plan(data={"path": "table.csv"}), ['"data.target" is missing']),
    "other data": (small_plan(data="iris"), ["data got 'iris'", "abalone"]),
    "empty fit": (small_plan(fit=None), ["fit is empty"]),
    "fit a number": (small_plan(fit=3), ["fit got 3"]),
    "space a list": (small_plan(space=[1]), ["space got [1]"]),
    "no axes": (small_plan(space={}), ["has no axis"]),
    "empty axis": (small_plan(space={**SPACE, "units": []}), ['Axis "units" got values=[]', "line"]),
    "scalar axis": (small_plan(space={**SPACE, "units": 4}), ['Axis "units" got 4', "Write [4]"]),
    "axis of mappings": (small_plan(space={**SPACE, "units": [{"a": 1}]}), ["of type dict"]),
    "nan": (small_plan(space={**SPACE, "rate": [float("nan")]}), ["NaN"]),
    "same value twice": (small_plan(space={**SPACE, "units": [2, 3, 2]}), ["value 2 twice"]),
    "numeric axis name": (small_plan(space={**SPACE, 5: [1]}), ["not the name of an argument"]),
    "unknown axis": (
        small_plan(space={**SPACE, "unitz": [1]}),
        ['axis "unitz"', "build(units, rate, behaviour=..., normalizer=...)", "Model.fit(x, y,", '"units"'],
    ),
    "misspelt fit axis": (small_plan(space={**SPACE, "batch_sizes": [1]}), ['Did you mean "batch_size"?']),
    "fit argument that cannot": (
        small_plan(space={**SPACE, "verbose": [1]}),
        ["cannot be an axis", "batch_size"],
    ),
    "axis named as a column": (small_plan(space={**SPACE, "seed": [1]}), ["name of a column"]),
    "supplied axis": (small_plan(space={**SPACE, "normalizer": [1]}), ["supplied from the data"]),
    "required argument missing": (small_plan(space={"units": [1]}), ['needs "rate"', "rate: [...]"]),
    "batch size of text": (small_plan(space={**SPACE, "batch_size": ["big"]}), ["batch_size got 'big'"]),
    "batch size 0": (small_plan(space={**SPACE, "batch_size": [0]}), ["at least 1"]),
    "split of 2": (small_plan(space={**SPACE, "validation_split": [2.0]}), ["validation_split got 2.0"]),
    "class weight of a word": (small_plan(fit={"class_weight": "balance"}), ["class_weight got 'balance'"]),
    "class weight below 0": (
        small_plan(space={**SPACE, "class_weight": [None, {"yes": -1}]}),
        ["axis class_weight got {'yes': -1}", "0 or more"],
    ),
    "weight of a number": (small_plan(space={**SPACE, "weight": [0.5]}), ["weight got 0.5", "column"]),
    "weight among fit": (small_plan(fit={"weight": "w"}), ["data: {weight: w}"]),
    "epochs text": (small_plan(fit={"epochs": "many"}), ["fit.epochs got 'many'", "integer", "line"]),
    "epochs fraction": (small_plan(fit={"epochs": 1.5}), ["fit.epochs got 1.5"]),
    "epochs without end": (small_plan(fit={"epochs": 10**30}), ["epochs"]),
    "split that leaves nothing": (small_plan(fit={"validation_split": 0.999}), ["leaves nothing"]),
    "reduction hardly above 1": (small_plan(asha={"reduction_factor": 1.0000001}), ["at least 1.1"]),
    "brackets without end": (small_plan(asha={"brackets": 10**6}), ["from 1 to 100"]),
    "timeout without end": (small_plan(timeout_s=1e10), ["up to 1e9"]),
    "null axis": (small_plan(space={**SPACE, "units": None}), ["Write [null]"]),
    "surrogate": (small_plan(space={**SPACE, "units": ["\ud800"]}), ["UTF-8 cannot hold"]),
    "path with a zero byte": (small_plan(data={"path": "a\0b.csv", "target": "x"}), ["no path"]),
    "no such home": (small_plan(data={"path": "~nobody-here/x.csv", "target": "x"}), ["no path"]),
    "builder with a zero byte": (small_plan(builder="mo\0del.py:build"), ["names no file"]),
    "builder with a long name": (small_plan(builder=f"{'m' * 300}.py:build"), ["m.py"]),
    "builder in main": (small_plan(builder="__main__:build"), ["__main__"]),
    "epochs 0": (small_plan(fit={"epochs": 0}), ["epochs got 0", "at least 1"]),
    "epochs true": (small_plan(fit={"epochs": True}), ["fit.epochs got True"]),
    "objective on the validation rows": (
        small_plan(objective="val_auc"),
        ["objective.metric got 'val_auc'", "objective: auc", "line"],
    ),
    "objective of another mode": (
        small_plan(objective={"metric": "auc", "mode": "up"}),
        ["objective.mode", "'max'"],
    ),
    "objective of no metric": (small_plan(objective=""), ["objective.metric is empty"]),
    "objective as a list": (small_plan(objective=["auc"]), ["objective got ['auc']", "such as auc"]),
    "rule of another mode": (
        small_plan(callbacks={"early_stopping": {"mode": "down"}}),
        ["early_stopping.mode"],
    ),
    "factor 2": (small_plan(callbacks={"reduce_lr_on_plateau": {"factor": 2.0}}), ["factor got 2.0"]),
    "patience -1": (small_plan(callbacks={"early_stopping": {"patience": -1}}), ["patience got -1"]),
    "scheduler": (small_plan(scheduler="hyperband"), ["scheduler got 'hyperband'", "'asha' or 'none'"]),
    "engine": (small_plan(engine="torch"), ["engine got 'torch'"]),
    "grace 0": (small_plan(asha={"grace_period": 0}), ["grace_period got 0"]),
    "reduction 1": (small_plan(asha={"reduction_factor": 1}), ["reduction_factor got 1"]),
    "max_t small": (small_plan(asha={"max_t": 3}), ["max_t got 3", "grace_period=10"]),
    "max_t large": (small_plan(scheduler="asha", asha={"max_t": 30}), ["fit.epochs=4"]),
    "brackets": (small_plan(asha={"brackets": 0}), ["brackets got 0"]),
    "cpu 0": (small_plan(resources={"cpu": 0}), ["resources.cpu got 0"]),
    "gpu without end": (small_plan(resources={"gpu": float("inf")}), ["resources.gpu got inf", "line"]),
    "a resource without end": (
        small_plan(resources={"custom": {"disk": float("inf")}}),
        ["resources.custom.disk got inf", "line"],
    ),
    "gpu 1.5": (small_plan(resources={"gpu": 1.5}), ["resources.gpu got 1.5"]),
    "seed -1": (small_plan(seed=-1), ["seed got -1", "line"]),
    "timeout 0": (small_plan(timeout_s=0), ["timeout_s got 0"]),
    "retries": (small_plan(retries=-1), ["retries got -1"]),
    "verify": (small_plan(verify=-1), ["verify got -1", "0 or more"]),
    "verify in words": (small_plan(verify="all"), ["verify got 'all'"]),
    "weights of none": (
        small_plan(keep_weights=0),
        ["keep_weights got 0", "true, false, or a number of best points"],
    ),
    "weights by name": (
        small_plan(keep_weights="best"),
        ["keep_weights got 'best'", "true, false, or a number"],
    ),
    "weights of a share": (
        small_plan(keep_weights=0.5),
        ["keep_weights got 0.5, but needs true, false, or a"],
    ),
    "weights of keys": (small_plan(keep_weights={}), ["keep_weights got {}, but needs true, false, or a"]),
    "no list": (
        small_plan(data={"path": "table.csv", "target": "target", "drop": "a"}),
        ["data.drop got 'a', but needs a list, such as [a].", "line"],
    ),
    "no keys": (
        small_plan(only=["units > 2"]),
        ["needs keys and values, such as {width_2: layers >= 2}"],
    ),
    "a target of keys": (
        small_plan(data={"path": "table.csv", "target": {"a": 1}}),
        [", line", "data.target got {'a': 1}, but needs the name of a column, or a list of names."],
    ),
    "epochs beside fit": (small_plan(epochs=3), ['unknown key "epochs"', "write fit: {epochs: 50}", "line"]),
    "batch size beside fit": (
        small_plan(batch_size=3),
        ['unknown key "batch_size"', "fit: {batch_size: 32}"],
    ),
    "two ways of test rows": (
        small_plan(
            data={"path": "table.csv", "target": "target", "test_path": "t.csv", "test_fraction": 0.3}
        ),
        ["data.test_path gives the test rows, so data.test_fraction has no effect"],
    ),
    "builder file": (small_plan(builder="modle.py:build"), ["there is no file"]),
    "builder function": (small_plan(builder="model.py:biuld"), ['"build"', "line"]),
    "builder name": (small_plan(builder="model"), ["colon"]),
    "builder a number": (small_plan(builder=3), ["builder got 3", "string"]),
}


BAD_FILES = {
    "empty": ("", "is empty"),
    "a list": ("- 1\n- 2", "holds a list"),
    "text": ("sweep everything", "holds a str"),
    "open bracket": ("data: abalone\nspace: {a: [1", "line 2"),
    "tab": ("data: abalone\n\tspace: 1", "line 2"),
    "key twice": (
        "data: abalone\nseed: 1\nseed: 2",
        'line 3: the key "seed" is there twice (first in line 2)',
    ),
    "axis twice": ("space:\n  a: [1]\n  a: [2]", 'line 3: the key "a" is there twice'),
    "numbers in base 8 and 60": (
        "data: abalone\nspace:\n  units: [010, 1:30]",
        'line 3: space.units got 010, which YAML reads in base 8, as 8. Write "010" for the text, or 8',
    ),
    "a number in base 60": (
        "space:\n  units: [1:30]",
        "line 2: space.units got 1:30, which YAML reads in base 60, as 90",
    ),
    "control character": ("data: \x07", "not YAML"),
    "an axis that holds itself": (
        "data: abalone\nbuilder: trainables.abalone:build_and_compile_model\nspace:\n  hidden: &a [1, *a]",
        'line 4: Axis "hidden" holds itself',
    ),
    "a set": ("data: abalone\nbuilder: a:b\nspace: {hidden: !!set {a, b}}", "needs a list"),
    "python object": ("data: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    "unknown anchor": ("data: *nowhere", "undefined alias"),
}
