from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import TYPE_CHECKING, Any

import pytest

from gateway.emulator.model import ImageStatus
from gateway.emulator.status_error import StatusError
from gateway.emulator.store import Changes, ImageStore, NewImage
from gateway.errors import Code

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.emulator.model import Image, Operation

DELAY_S = 10.0
URI = "https://storage.yandexcloud.net/golden/one.iso"


@pytest.fixture
def store(clock: list[float]) -> ImageStore:
    return ImageStore(clock=lambda: clock[0], delay_s=DELAY_S)


def create(store: ImageStore, **fields: Any) -> Operation:
    given = {"folder_id": "b1g", "name": "one", "description": "", "labels": {}, "uri": URI, **fields}
    return store.create("s/Create", NewImage(**given))


def make_ready(store: ImageStore, clock: list[float], **fields: Any) -> Image:
    image_id = create(store, **fields).image_id
    clock[0] += DELAY_S
    return store.image(image_id)


def test_a_creation_takes_its_time(store: ImageStore, clock: list[float]) -> None:
    started = create(store, labels={"a": "b"})
    now = datetime.fromtimestamp(clock[0], UTC)
    assert not started.done
    assert store.image(started.image_id).status is ImageStatus.CREATING
    clock[0] += DELAY_S - 0.5
    assert not store.operation(started.id).done
    clock[0] += 2
    ended = store.operation(started.id)
    assert ended.done
    assert ended.failure is None
    assert (ended.created_at, ended.modified_at) == (now, now + timedelta(seconds=DELAY_S))
    image = store.image(started.image_id)
    assert image == ended.image
    assert (image.status, image.labels) == (ImageStatus.READY, {"a": "b"})
    assert image.checksum == md5(URI.encode(), usedforsecurity=False).hexdigest()


def test_an_update_shows_when_it_ends(store: ImageStore, clock: list[float]) -> None:
    image = make_ready(store, clock, description="old", labels={"a": "b"})
    started = store.update("s/Update", image.id, Changes(name="two", description=""))
    assert store.image(image.id).name == "one"
    assert store.image(image.id).status is ImageStatus.UPDATING
    clock[0] += DELAY_S
    changed = store.image(image.id)
    assert (changed.name, changed.description, changed.labels) == ("two", "", {"a": "b"})
    assert (changed.status, changed.checksum) == (ImageStatus.READY, image.checksum)
    assert store.operation(started.id).image == changed


def test_a_response_stays_as_it_was(store: ImageStore, clock: list[float]) -> None:
    image = make_ready(store, clock)
    created = store.operations_of(image.id)[0]
    store.update("s/Update", image.id, Changes(name="two"))
    clock[0] += DELAY_S
    assert store.image(image.id).name == "two"
    assert store.operation(created.id).image == image


def test_a_deleted_image_is_gone_but_for_its_operations(store: ImageStore, clock: list[float]) -> None:
    image = make_ready(store, clock)
    started = store.delete("s/Delete", image.id)
    assert store.image(image.id).status is ImageStatus.DELETING
    clock[0] += DELAY_S
    assert store.images() == ()
    with pytest.raises(StatusError, match=image.id) as caught:
        store.image(image.id)
    assert caught.value.code is Code.NOT_FOUND
    assert [operation.method for operation in store.operations_of(image.id)] == ["s/Create", "s/Delete"]
    assert store.operation(started.id).image is None


UNKNOWN: list[Callable[[ImageStore], object]] = [
    lambda store: store.image("nix"),
    lambda store: store.operation("nix"),
    lambda store: store.operations_of("nix"),
    lambda store: store.update("s/Update", "nix", Changes()),
    lambda store: store.delete("s/Delete", "nix"),
    lambda store: store.cancel("nix"),
]


@pytest.mark.parametrize("ask", UNKNOWN, ids=range(len(UNKNOWN)))
def test_what_is_unknown_is_not_found(store: ImageStore, ask: Callable[[ImageStore], object]) -> None:
    with pytest.raises(StatusError, match="'nix' not found") as caught:
        ask(store)
    assert caught.value.code is Code.NOT_FOUND


def test_names_are_unique_in_their_folder(store: ImageStore, clock: list[float]) -> None:
    create(store)
    with pytest.raises(StatusError, match="'one'") as caught:
        create(store)
    assert caught.value.code is Code.ALREADY_EXISTS
    create(store, folder_id="b1other")
    create(store, name="")
    create(store, name="")
    clock[0] += DELAY_S
    assert len(store.images()) == 4


def test_a_rename_holds_both_names_until_it_ends(store: ImageStore, clock: list[float]) -> None:
    image = make_ready(store, clock)
    store.update("s/Update", image.id, Changes(name="two"))
    for name in ("one", "two"):
        with pytest.raises(StatusError, match=name):
            create(store, name=name)
    clock[0] += DELAY_S
    create(store, name="one")


def test_a_rename_to_a_taken_name_is_refused(store: ImageStore, clock: list[float]) -> None:
    image = make_ready(store, clock)
    create(store, name="two")
    with pytest.raises(StatusError) as caught:
        store.update("s/Update", image.id, Changes(name="two"))
    assert caught.value.code is Code.ALREADY_EXISTS
    store.update("s/Update", image.id, Changes(name="one"))


BUSY: list[Callable[[ImageStore, str], object]] = [
    lambda store, image_id: store.update("s/Update", image_id, Changes()),
    lambda store, image_id: store.delete("s/Delete", image_id),
]


@pytest.mark.parametrize("attempt", BUSY, ids=["update", "delete"])
def test_one_operation_at_a_time(store: ImageStore, attempt: Callable[[ImageStore, str], object]) -> None:
    with pytest.raises(StatusError, match="is CREATING") as caught:
        attempt(store, create(store).image_id)
    assert caught.value.code is Code.FAILED_PRECONDITION


def test_a_cancelled_creation_leaves_an_image_in_error(store: ImageStore, clock: list[float]) -> None:
    started = create(store)
    clock[0] += 1
    ended = store.cancel(started.id)
    assert ended.done
    assert ended.failure is not None
    assert ended.failure.code is Code.CANCELLED
    assert ended.modified_at - ended.created_at == timedelta(seconds=1)
    clock[0] += DELAY_S
    assert store.image(started.image_id).status is ImageStatus.ERROR
    assert store.operation(started.id) == ended
    with pytest.raises(StatusError, match="is ERROR"):
        store.update("s/Update", started.image_id, Changes())
    store.delete("s/Delete", started.image_id)
    clock[0] += DELAY_S
    assert store.images() == ()


def test_a_cancelled_change_leaves_the_image_as_it_was(store: ImageStore, clock: list[float]) -> None:
    image = make_ready(store, clock)
    store.cancel(store.update("s/Update", image.id, Changes(name="two")).id)
    assert store.image(image.id) == image
    store.cancel(store.delete("s/Delete", image.id).id)
    clock[0] += DELAY_S
    assert store.image(image.id) == image


def test_what_has_ended_cannot_be_cancelled(store: ImageStore, clock: list[float]) -> None:
    started = create(store)
    clock[0] += DELAY_S
    assert store.cancel(started.id) == store.operation(started.id)
    assert store.operation(started.id).failure is None
