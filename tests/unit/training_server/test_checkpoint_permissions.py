"""Permissions: who may ask a model of another caller's, until when, and nothing else of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")

from fastapi import Request
from pydantic import ValidationError

from econchatr.errors import UnknownModelError
from econchatr.training_server.checkpoint_permissions import PermissionRoutes
from econchatr.training_server.job_desk import JobDesk
from econchatr.training_server.job_runner import JobRunner
from econchatr.training_server.job_schema import CallError, PermissionOrder
from econchatr.training_server.job_store import JobStore, StoredPermission
from econchatr.training_server.model_shelf import ModelShelf
from econchatr.training_server.server_settings import QuotaTable, TrainingServerSettings
from tests.helpers.training_server_process import make_tuned_job

MODEL, OTHER = "ft:org/tiny:alice::1", "ft:org/tiny:alice::2"
SETTINGS = TrainingServerSettings()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    """A store with two tuned models of Alice's."""
    with JobStore(tmp_path / "server") as opened:
        for model in (MODEL, OTHER):
            opened.add(make_tuned_job(f"ftjob-{model[-1]}", model, owner="alice"))
        yield opened


@pytest.fixture
def shelf(store: JobStore, tmp_path: Path) -> ModelShelf:
    return ModelShelf(store, SETTINGS, cache=tmp_path, terms=None, started_at=1)


@pytest.fixture
def routes(store: JobStore) -> PermissionRoutes:
    return PermissionRoutes(store, QuotaTable(max_permissions=3))


def as_caller(name: str) -> Request:
    return Request({"type": "http", "state": {"caller": name}})


def permit(routes: PermissionRoutes, *names: str, model: str = MODEL, caller: str = "alice") -> list[str]:
    """Permit callers to ask a model; gives the ids."""
    page = routes.create(as_caller(caller), model, PermissionOrder(project_ids=list(names)))
    return [row.id for row in page.data]


def may_ask(shelf: ModelShelf, caller: str, model: str = MODEL) -> bool:
    try:
        found = shelf.find(model, caller).name
    except UnknownModelError:
        found = None
    assert (found is not None) is (model in [one.name for one in shelf.list_names(caller)])
    return found is not None


def test_a_permission_is_for_one_caller_and_one_model(routes: PermissionRoutes, shelf: ModelShelf) -> None:
    assert not may_ask(shelf, "bob")
    permit(routes, "bob")
    assert may_ask(shelf, "bob")
    assert not may_ask(shelf, "bob", OTHER)
    assert not may_ask(shelf, "carol")


def test_a_permission_ends_when_it_is_deleted(routes: PermissionRoutes, shelf: ModelShelf) -> None:
    given, _ = permit(routes, "bob", "carol")
    assert routes.delete(as_caller("alice"), MODEL, given).deleted
    assert (may_ask(shelf, "bob"), may_ask(shelf, "carol")) == (False, True)


def test_only_the_owner_gives_lists_and_deletes_permissions(routes: PermissionRoutes) -> None:
    """Who may ask a model may not hand it on."""
    (given,) = permit(routes, "bob")
    calls = (
        lambda: permit(routes, "carol", caller="bob"),
        lambda: routes.list_permissions(as_caller("bob"), MODEL),
        lambda: routes.delete(as_caller("bob"), MODEL, given),
        lambda: routes.delete(as_caller("alice"), OTHER, given),
    )
    for call in calls:
        with pytest.raises(CallError) as caught:
            call()
        assert caught.value.status == 404


def test_a_permission_given_twice_is_one(routes: PermissionRoutes) -> None:
    first = permit(routes, "bob", "bob", "carol")
    assert permit(routes, "carol", "bob") == first[::-1]


def test_permissions_are_listed_the_newest_first(routes: PermissionRoutes) -> None:
    ids = permit(routes, "bob", "carol")
    permit(routes, "bob", model=OTHER)
    alice = as_caller("alice")
    assert [row.id for row in routes.list_permissions(alice, MODEL).data] == ids[::-1]
    page = routes.list_permissions(alice, MODEL, limit=1, order="ascending")
    assert ([row.id for row in page.data], page.has_more) == (ids[:1], True)
    assert [row.project_id for row in routes.list_permissions(alice, MODEL, project_id="carol").data] == ["carol"]


def test_more_permissions_than_the_quota_are_refused_as_a_whole(routes: PermissionRoutes, store: JobStore) -> None:
    permit(routes, "bob", "carol")
    with pytest.raises(CallError, match="2 permissions are given and 2 asked for; 3 are the most") as caught:
        permit(routes, "dave", "erin")
    assert caught.value.status == 429
    assert len(list(store.list_owned(StoredPermission, "alice"))) == 2


def test_a_model_that_is_deleted_takes_its_permissions_along(
    routes: PermissionRoutes, store: JobStore, shelf: ModelShelf, tmp_path: Path
) -> None:
    permit(routes, "bob")
    desk = JobDesk(store, SETTINGS, JobRunner(store, SETTINGS, cache=tmp_path, terms=None))
    with pytest.raises(CallError, match=r"Only its owner deletes a model\.") as caught:
        desk.delete_model(shelf.find(MODEL, "bob"), "bob")
    assert caught.value.status == 403
    desk.delete_model(shelf.find(MODEL, "alice"), "alice")
    assert not may_ask(shelf, "bob")
    assert list(store.list_owned(StoredPermission, "alice")) == []


@pytest.mark.parametrize("names", [[], ["Bob"], ["project_1"], ["b\x00"], ["b\n"], ["\ud800"], ["b"] * 101, [1]])
def test_a_name_that_no_caller_can_have_is_refused(names: list[str]) -> None:
    with pytest.raises(ValidationError):
        PermissionOrder(project_ids=names)


def test_ones_own_model_needs_no_permission(routes: PermissionRoutes) -> None:
    with pytest.raises(CallError, match="alice's own"):
        permit(routes, "bob", "alice")
