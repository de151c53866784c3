"""The double of the runner reads command files as the runner does."""

import pytest
from runner import Job, pairs


def test_pairs_and_heredocs_are_read():
    text = "a=1\nb<<X\nfirst\nsecond=2\nX\nc=x<<y\n"
    assert pairs(text) == {"a": "1", "b": "first\nsecond=2", "c": "x<<y"}


@pytest.mark.parametrize("text", ["bare\n", "a<<X\nnever\n", "a<<X\nv\nX\r\n"])
def test_what_would_fail_the_step_fails_here(text):
    with pytest.raises(ValueError):
        pairs(text)


def test_host_paths_become_the_containers_only_at_the_start_of_a_value(tmp_path):
    job = Job("image", tmp_path, env={"A": f"{tmp_path}/workspace/x", "B": f"file://{tmp_path}/workspace", "C": f"{tmp_path}/workspaces"})
    given = job.variables({"bundle-path": str(tmp_path / "workspace")}, {}, {})
    assert given["INPUT_BUNDLE-PATH"] == "/github/workspace"
    assert given["A"] == "/github/workspace/x"
    assert given["B"] == f"file://{tmp_path}/workspace" and given["C"] == f"{tmp_path}/workspaces"
    assert given["HOME"] == "/github/home" and "GITHUB_TOKEN" not in given
