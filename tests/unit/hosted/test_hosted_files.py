"""Profiles of services, and training files held against their limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from econchatr.errors import InputError
from econchatr.hosted.profiles import find_profile, load_profiles
from econchatr.hosted.training_files import check_training_file
from tests.helpers.hosted_material import make_profile, write_examples

PROFILE = make_profile("http://127.0.0.1:9/v1", min_examples=10, max_example_tokens=50)


def test_every_shipped_profile_leaves_nothing_to_the_service_and_says_where_it_was_read() -> None:
    for profile in load_profiles():
        assert "batch_size" in profile.hyperparameters
        assert "auto" not in profile.hyperparameters.values()
        assert profile.source
        assert profile.base_url.startswith(("https://", "http://127.0.0.1")) or profile.name in ("azure", "fireworks")


def test_a_users_profile_gives_only_what_differs(tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text('[[profile]]\nname = "openai"\nmax_jobs = 1\n')
    profiles = load_profiles([tmp_path / "profiles.toml", tmp_path / "missing.toml"])
    assert find_profile("openai", profiles).max_jobs == 1
    assert find_profile("openai", profiles).min_examples == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[profile]\n", "is not TOML"),
        ("[profiles]\nx = 1\n", "is no \\[\\[profile\\]\\] table"),
        ('[[profile]]\nname = "openai"\nmax_jobs = 0\n', "max_jobs"),
        ('[[profile]]\nname = "openai"\nmax_job = 1\n', "max_job"),
        ('[[profile]]\nname = "new"\n', "key_env"),
        ('[[profile]]\nname = "own"\n[[profile]]\nname = "own"\n', "stands twice"),
    ],
)
def test_a_wrong_profile_is_told_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "profiles.toml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_profiles([tmp_path / "profiles.toml"])
    assert str(tmp_path) in caught.value.message


def test_a_key_written_where_its_variables_name_belongs_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text('[[profile]]\nname = "openai"\nkey_env = "sk-secret-123"\n')
    with pytest.raises(InputError) as caught:
        load_profiles([tmp_path / "profiles.toml"])
    assert "sk-secret" not in caught.value.message + caught.value.hint


def test_a_profile_that_is_not_there_or_has_no_address_says_what_to_write() -> None:
    with pytest.raises(InputError, match="no profile 'opnai'") as caught:
        find_profile("opnai", load_profiles())
    assert "Did you mean 'openai'?" in caught.value.hint
    with pytest.raises(InputError, match="no base_url"):
        find_profile("azure", load_profiles())


def test_a_good_file_is_told_with_its_hash(tmp_path: Path) -> None:
    checked = check_training_file(write_examples(tmp_path / "t.jsonl"), PROFILE, len)
    assert (checked.n_examples, len(checked.sha256)) == (12, 64)


GOOD = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"\xff", "line 13: not UTF-8"),
        (b"{", "line 13: not JSON"),
        (b"[1]", "line 13: no list of messages"),
        (b'{"messages": []}', "line 13: no list"),
        (b'{"messages": [{"role": "king", "content": "a"}]}', "line 13: a message with a role"),
        (b'{"messages": [{"role": "user", "content": " "}]}', "line 13: an empty message of the user"),
        (b'{"messages": [{"role": "user", "content": "a"}]}', "line 13: the last message is not the assistant's"),
        (GOOD.replace('"b"', '"' + "b" * 60 + '"').encode(), "line 13: 61 tokens; 50 are the most"),
        (b"[" * 100_000, "line 13: not JSON"),
    ],
)
def test_a_line_that_a_service_would_refuse_is_told_by_its_number(tmp_path: Path, line: bytes, fault: str) -> None:
    path = write_examples(tmp_path / "t.jsonl")
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(InputError, match=fault) as caught:
        check_training_file(path, PROFILE, len)
    assert "Nothing was uploaded" in caught.value.message


def test_one_bad_line_among_a_hundred_thousand_is_found(tmp_path: Path) -> None:
    lines = [GOOD] * 100_000
    lines[77_776] = "{}"
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    with pytest.raises(InputError, match="line 77777: no list of messages"):
        check_training_file(tmp_path / "t.jsonl", PROFILE)


def test_too_few_examples_or_too_many_bytes_are_refused(tmp_path: Path) -> None:
    path = write_examples(tmp_path / "t.jsonl", n=9)
    with pytest.raises(InputError, match="9 examples; it takes 10"):
        check_training_file(path, PROFILE)
    assert check_training_file(path, PROFILE, is_validation=True).n_examples == 9
    path.write_bytes(b" " * 1_000_001)
    with pytest.raises(InputError, match="1,000,001 bytes; 1 MB are the most"):
        check_training_file(path, make_profile("http://127.0.0.1:9/v1", max_file_mb=1))
