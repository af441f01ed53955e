"""What is put into the environment before TensorFlow is imported."""

import os

from trainables.fused.internals import xla


def test_flags_are_added_once_and_the_user_s_stay(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=here")
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_clustering_debug")
    for _ in range(2):
        xla.set_up()
        assert os.environ["XLA_FLAGS"].split() == ["--xla_dump_to=here", *xla.XLA_FLAGS]
        folder = xla.cache_folder()
        assert folder.is_dir() and folder.is_relative_to(tmp_path)
        expected = ["--tf_xla_clustering_debug", f"--tf_xla_persistent_cache_directory={folder}"]
        assert os.environ["TF_XLA_FLAGS"].split() == expected


def test_a_cache_of_the_user_s_own_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own = "--tf_xla_persistent_cache_directory=elsewhere"
    monkeypatch.setenv("TF_XLA_FLAGS", own)
    xla.set_up()
    assert os.environ["TF_XLA_FLAGS"] == own


def test_a_folder_that_cannot_be_made_does_without(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    xla.set_up()
    assert "TF_XLA_FLAGS" not in os.environ
