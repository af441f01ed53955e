"""The modules beside a builder are found by their sources, without an import of any."""

import sys
import textwrap

import pytest

from trainables.builder import find
from trainables.builder.modules import own_modules, sources_of

FILES = {
    "build.py": """
        import json, math, beside_a, numpy, keras, gone
        from package.inner import part
        def build(units):
            import late
            return beside_a, part, late
    """,
    "beside_a.py": "import beside_b as other",
    "beside_b.py": "import beside_a",
    "late.py": "",
    "unused.py": "",
    "json.py": "raise SystemExit('not the module json')",
    "numpy.py": "raise SystemExit('not the module numpy')",
    "package/__init__.py": "from . import sibling",
    "package/sibling.py": "from .inner.other import name",
    "package/unused.py": "",
    "package/inner/part.py": "from .. import upper",
    "package/inner/other.py": "name = 1",
    "package/upper.py": "",
    "package/model.py": """
        from . import upper
        def build(units): return units
    """,
    "broken.py": "import broken_too, beside_b\ndef build(units): return units",
    "broken_too.py": "def",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def of(name, folder):
    builder = find.find(name, folder)
    return sources_of(builder.module, builder.path, builder.folder, builder.source)


def test_imports_are_followed(folder):
    before = set(sys.modules)
    found = of("build.py:build", folder)
    assert list(found) == [
        "beside_a", "beside_b", "late", "package", "package.inner.other", "package.inner.part", "package.sibling",
        "package.upper",
    ]  # fmt: skip
    assert found["beside_a"] == FILES["beside_a.py"] and set(sys.modules) == before


def test_a_module_of_a_package_has_its_parents(folder):
    found = of("package.model:build", folder)
    assert list(found) == ["package", "package.inner.other", "package.sibling", "package.upper"]


def test_a_file_with_a_fault_is_kept_as_it_is(folder):
    assert list(of("broken.py:build", folder)) == ["beside_a", "beside_b", "broken_too"]


def test_an_import_loads_the_same_modules(folder):
    builder = find.find("package.model:build", folder)
    builder.load()
    loaded = set(own_modules(builder)) - {builder.module, "package.inner"}  # a folder without a file
    assert loaded == set(of("package.model:build", folder))


def test_what_is_installed_has_none():
    builder = find.find("trainables.abalone:build_and_compile_model", find.Path.cwd())
    assert sources_of(builder.module, builder.path, builder.folder, builder.source) == {}


def test_a_pickled_function_has_none(folder):
    (folder / "late.pkl").write_bytes(b"")
    (folder / "late.py").write_text("import late, beside_a\ndef late(units): ...")
    assert of("late.pkl:late", folder) == {}
