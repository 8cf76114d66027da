"""A handoff survives its journey or is refused: every way of being wrong, then the round trip."""

import base64
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hybrid_serving import envelope, handoff, sampler, tensors
from hybrid_serving.protocol import Settings, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = {"2025-12": base64.b64encode(bytes(32)).decode(), "2026-01": base64.b64encode(bytes(range(32))).decode()}
RING = handoff.KeyRing.from_texts(KEYS)
STEPS = 8
SHAPE = (2, 3, 4)
SCHEDULE = sampler.Schedule(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
START = len(envelope.MAGIC) + 2 + 1 + len("2026-01") + 64 + 4
"""Where the payload begins in a file signed by the newest key."""


def a_latent(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def a_handoff(name: str = "dpmpp-2m", *, position: int = 3, **changes: object) -> handoff.Handoff:
    table = sampler.compile_table(SCHEDULE, sampler=name, steps=STEPS)
    history = tuple(a_latent(age + 1) for age in range(min(position, table.history_length)))
    return replace(
        handoff.Handoff(
            request="request-0",
            model="shapes",
            networks={"large": "1f", "small": "2e"},
            table=table.rest(position),
            state=State(position=position, x=a_latent(), history=history),
            settings=Settings(
                prompt="a red circle",
                negative_prompt="",
                seed=2**64 - 1,
                image=0,
                sampler=name,
                steps=STEPS,
                guidance_scale=5.0,
                width=64,
                height=64,
            ),
            conditioning={"text": a_latent(9, (2, 5, 6))},
            issued_at=NOW,
            expires_at=NOW + timedelta(minutes=5),
            domain="0123456789abcdef",
            engine="openvino 2026.4 f32",
        ),
        **changes,
    )


FILE = handoff.pack(a_handoff(), key=RING.signing)


def unpack(data: bytes, *, now: datetime = NOW, keys: handoff.PublicKeys = RING.public) -> handoff.Handoff:
    return handoff.unpack(data, keys=keys, now=now)


def with_payload(change: Callable[[bytes], bytes]) -> bytes:
    """The file with another payload, rightly signed: what a faulty service would send."""
    return envelope.seal(change(FILE[START:]), key=RING.signing)


def with_index(change: Callable[[dict[str, object]], object], *, data: bytes | None = None) -> bytes:
    """The file with a changed safetensors header, rightly signed."""

    def changed(payload: bytes) -> bytes:
        size = 8 + struct.unpack_from("<Q", payload)[0]
        index = json.loads(payload[8:size])
        outcome = change(index)
        encoded = json.dumps(index if outcome is None else outcome).encode()
        return struct.pack("<Q", len(encoded)) + encoded + (payload[size:] if data is None else data)

    return with_payload(changed)


def with_header(change: Callable[[dict[str, object]], object]) -> bytes:
    """The file with a changed header of our own, rightly signed."""

    def changed(index: dict[str, object]) -> None:
        header = json.loads(index["__metadata__"]["handoff"])
        change(header)
        index["__metadata__"]["handoff"] = json.dumps(header)

    return with_index(changed)


# The envelope.


@pytest.mark.parametrize("begin", [b"\x89PNG\r\n\x1a\n", b"{", b"\x80\x04\x95", b"\x89HDHO\n\x1a"])
def test_another_kind_of_file_is_not_a_handoff(begin: bytes) -> None:
    with pytest.raises(handoff.NotAHandoff, match="does not begin like a handoff"):
        unpack(begin + FILE[len(begin) :])


@pytest.mark.parametrize("version", [0, 2, 65535])
def test_another_version_is_refused_with_both_numbers(version: int) -> None:
    with pytest.raises(handoff.HandoffVersionUnknown, match=rf"version {version}; this program reads 1"):
        unpack(FILE[:8] + struct.pack("<H", version) + FILE[10:])


def test_a_file_cut_anywhere_is_truncated() -> None:
    for size in range(len(FILE)):
        with pytest.raises(handoff.HandoffTruncated, match=f"ends after {size} bytes"):
            unpack(FILE[:size])


def test_a_file_that_goes_on_after_its_end_is_refused() -> None:
    with pytest.raises(handoff.HandoffTrailing, match="followed by 3 bytes"):
        unpack(FILE + b"\r\n\0")


def test_a_file_beyond_the_largest_size_is_refused_before_anything_is_read() -> None:
    with pytest.raises(handoff.HandoffTooLarge, match=f"at most {envelope.MAX_BYTES}"):
        unpack(b"x" * (envelope.MAX_BYTES + 1))


def test_a_declared_length_beyond_the_largest_size_is_refused() -> None:
    with pytest.raises(handoff.HandoffTooLarge, match="payload's length is 4294967295"):
        unpack(FILE[: START - 4] + b"\xff\xff\xff\xff" + FILE[START:])


def test_a_state_too_large_to_be_accepted_is_not_packed() -> None:
    state = State(position=0, x=np.zeros((4, 1024, 1025), np.float32))
    with pytest.raises(handoff.HandoffTooLarge, match="size in bytes"):
        handoff.pack(a_handoff("ddim", position=0, state=state), key=RING.signing)


def test_a_foreign_key_is_refused_and_the_known_ones_are_named() -> None:
    foreign = handoff.SigningKey.from_text("theirs", KEYS["2026-01"])
    with pytest.raises(handoff.HandoffKeyUnknown, match="`theirs`, known here: `2025-12`, `2026-01`"):
        unpack(handoff.pack(a_handoff(), key=foreign))


def test_a_foreign_key_under_a_known_name_is_a_forgery() -> None:
    impostor = handoff.SigningKey.from_text("2026-01", base64.b64encode(b"i" * 32).decode())
    with pytest.raises(handoff.HandoffForged, match="`2026-01` does not match"):
        unpack(handoff.pack(a_handoff(), key=impostor))


def test_a_signature_by_an_older_key_under_the_newest_name_is_a_forgery() -> None:
    mixed = handoff.SigningKey.from_text("2026-01", KEYS["2025-12"])
    with pytest.raises(handoff.HandoffForged):
        unpack(handoff.pack(a_handoff(), key=mixed))


def test_a_flipped_bit_anywhere_is_refused() -> None:
    for bit in range(8 * len(FILE)):
        flipped = bytearray(FILE)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(handoff.HandoffError):
            unpack(bytes(flipped))


# Time.


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=1), timedelta(days=400)])
def test_an_expired_handoff_is_refused_with_its_time(late: timedelta) -> None:
    with pytest.raises(
        handoff.HandoffExpired, match=r"expired \d+ s ago \(`expires_at` is 2026-01-01T00:05"
    ) as refusal:
        unpack(FILE, now=NOW + timedelta(minutes=5) + late)
    assert refusal.value.expired_at == NOW + timedelta(minutes=5)


def test_a_handoff_from_the_future_is_refused_beyond_the_usual_skew_of_clocks() -> None:
    assert unpack(FILE, now=NOW - handoff.CLOCK_SKEW).issued_at == NOW
    with pytest.raises(handoff.HandoffNotYetIssued, match="issued 61 s in the future; set the clock"):
        unpack(FILE, now=NOW - handoff.CLOCK_SKEW - timedelta(seconds=1))


# The header.


@pytest.mark.parametrize("path", [(), ("settings",), ("table",)])
def test_an_unknown_key_is_refused_by_name(path: tuple[str, ...]) -> None:
    def change(header: dict[str, object]) -> None:
        for key in path:
            header = header[key]
        header["colour"] = "red"

    with pytest.raises(handoff.HandoffKeysUnknown, match=f"unknown keys: `{'.'.join((*path, 'colour'))}`"):
        unpack(with_header(change))


HEADER = json.loads(tensors.read_text(FILE[START:])[0])


@pytest.mark.parametrize("key", sorted(HEADER))
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(handoff.HandoffKeysMissing, match=f"lacks `{key}`"):
        unpack(with_header(lambda header: header.pop(key) and None))


@pytest.mark.parametrize("part", ["settings", "table"])
def test_a_missing_key_of_a_part_is_named(part: str) -> None:
    for key in HEADER[part]:
        with pytest.raises(handoff.HandoffKeysMissing, match=f"lacks `{part}.{key}`"):
            unpack(with_header(lambda header, key=key: header[part].pop(key) and None))


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("attempt", {"attempt": 0}),
        ("attempt", {"attempt": "1"}),
        ("expires_at", {"expires_at": "2026-01-01T00:05:00"}),
        ("issued_at", {"issued_at": 5}),
        ("model", {"model": None}),
        ("networks.large", {"networks": {"large": 1}}),
        ("position", {"position": -1}),
        ("settings.seed", {"settings": HEADER["settings"] | {"seed": 5}}),
        ("settings.seed", {"settings": HEADER["settings"] | {"seed": "05"}}),
        ("settings.seed", {"settings": HEADER["settings"] | {"seed": str(2**64)}}),
        ("settings.steps", {"settings": HEADER["settings"] | {"steps": 0}}),
        ("settings.guidance_scale", {"settings": HEADER["settings"] | {"guidance_scale": float("nan")}}),
        ("table.entries.0", {"table": HEADER["table"] | {"entries": [[1.0] * 6]}}),
        ("table.entries.0.0", {"table": HEADER["table"] | {"entries": [[float("inf")] * 8]}}),
        ("table.history_length", {"table": HEADER["table"] | {"history_length": 9}}),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_place(where: str, change: dict[str, object]) -> None:
    with pytest.raises(handoff.HandoffHeaderInvalid, match=f"wrong at `{where}`"):
        unpack(with_header(lambda header: header.update(change)))


@pytest.mark.parametrize("metadata", [None, {}, {"handoff": 5}, {"handoff": "{}", "pt": "x"}, "handoff"])
def test_metadata_that_is_not_ours_is_refused(metadata: object) -> None:
    with pytest.raises(handoff.HandoffHeaderInvalid, match="must hold `handoff` and nothing else"):
        unpack(with_index(lambda index: index.update(__metadata__=metadata)))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a":' * 5000])
def test_a_header_that_is_not_an_object_is_refused(text: str) -> None:
    with pytest.raises(handoff.HandoffHeaderInvalid):
        unpack(with_index(lambda index: index.update(__metadata__={"handoff": text})))


@pytest.mark.parametrize("encoded", [b"", b"{", b"\xff\xfe", b"[1]", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"])
def test_a_safetensors_header_that_is_not_an_object_is_refused(encoded: bytes) -> None:
    with pytest.raises(handoff.HandoffHeaderInvalid):
        unpack(with_payload(lambda _: struct.pack("<Q", len(encoded)) + encoded))


@pytest.mark.parametrize("payload", [b"", b"1234567", struct.pack("<Q", 9) + b"12345678"])
def test_a_payload_that_ends_early_is_truncated(payload: bytes) -> None:
    with pytest.raises(handoff.HandoffTruncated):
        unpack(with_payload(lambda _: payload))


@pytest.mark.parametrize("size", [tensors.MAX_HEADER_BYTES + 1, 2**63, 2**64 - 1])
def test_a_header_beyond_the_largest_length_is_refused(size: int) -> None:
    with pytest.raises(handoff.HandoffTooLarge, match=f"header length is {size}"):
        unpack(with_payload(lambda payload: struct.pack("<Q", size) + payload[8:]))


# The tensors.


def test_more_tensors_than_the_bound_are_refused() -> None:
    def change(index: dict[str, object]) -> None:
        index.update({f"conditioning.{i}": index["x"] for i in range(tensors.MAX_TENSORS)})

    with pytest.raises(handoff.HandoffTooLarge, match=f"number of tensors is 19; at most {tensors.MAX_TENSORS}"):
        unpack(with_index(change))


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F64", "U8", 7, None])
def test_a_tensor_of_another_type_is_refused(dtype: object) -> None:
    with pytest.raises(handoff.HandoffTensorsInvalid, match="every tensor must be `F32`"):
        unpack(with_index(lambda index: index["x"].update(dtype=dtype)))


@pytest.mark.parametrize(
    "shape", [None, "24", [2, 3, -4], [2, 3, 4.0], [2, 3, True, 4], [1, 1, 2, 3, 4], [2**31, 2**31], [10**4000]]
)
def test_a_shape_that_is_none_is_refused(shape: object) -> None:
    with pytest.raises(handoff.HandoffTensorsInvalid, match="`x` has no valid shape"):
        unpack(with_index(lambda index: index["x"].update(shape=shape)))


@pytest.mark.parametrize("offsets", [None, [0, 4], [480, 96], [0, 2**63], ["0", "96"]])
def test_offsets_that_leave_a_gap_or_overlap_are_refused(offsets: object) -> None:
    with pytest.raises(handoff.HandoffTensorsInvalid, match="must lie at the bytes"):
        unpack(with_index(lambda index: index["x"].update(data_offsets=offsets)))


@pytest.mark.parametrize("entry", [None, [], {}, {"dtype": "F32", "shape": []}, {"dtype": "F32", "shape": [], "a": 1}])
def test_an_index_entry_of_another_form_is_refused(entry: object) -> None:
    with pytest.raises(handoff.HandoffTensorsInvalid, match="must have `dtype`, `shape` and `data_offsets`"):
        unpack(with_index(lambda index: index.update(x=entry)))


def test_data_that_ends_early_is_refused() -> None:
    with pytest.raises(handoff.HandoffTensorsInvalid, match="ends at byte 240 of 100"):
        unpack(with_index(lambda index: None, data=b"\0" * 100))


def test_data_that_no_tensor_covers_is_refused() -> None:
    with pytest.raises(handoff.HandoffTensorsInvalid, match="cover 432 bytes of 440"):
        unpack(with_index(lambda index: None, data=b"\0" * 440))


@pytest.mark.parametrize(("old", "new"), [("x", "y"), ("x", "conditioning.x"), ("history.0", "history.1")])
def test_a_tensor_under_another_name_is_refused(old: str, new: str) -> None:
    def change(index: dict[str, object]) -> object:
        return {new if name == old else name: entry for name, entry in index.items()}

    with pytest.raises((handoff.HandoffTensorsInvalid, handoff.HandoffInconsistent)):
        unpack(with_index(change))


# One state.


@pytest.mark.parametrize(
    ("sentence", "change"),
    [
        ("the state is at 4, the table begins at 3", {"state": State(position=4, x=a_latent(), history=(a_latent(),))}),
        ("there are 0 earlier estimates instead of 1", {"state": State(position=3, x=a_latent())}),
        (
            "an earlier estimate has another shape",
            {"state": State(position=3, x=a_latent(), history=(a_latent()[:1],))},
        ),
        ("instead of channels, height, width", {"state": State(position=3, x=a_latent()[0], history=(a_latent()[0],))}),
        ("the table is for `dpmpp-2m`", {"settings": replace(a_handoff().settings, sampler="ddim")}),
        ("the table ends at 8 of 9 steps", {"settings": replace(a_handoff().settings, steps=9)}),
    ],
)
def test_a_handoff_that_contradicts_itself_is_neither_packed_nor_read(
    sentence: str, change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(handoff.HandoffInconsistent, match=sentence):
        handoff.pack(a_handoff(**change), key=RING.signing)
    with monkeypatch.context() as patch:
        patch.setattr(handoff, "_require_consistent", lambda handoff: None)
        data = handoff.pack(a_handoff(**change), key=RING.signing)
    with pytest.raises(handoff.HandoffInconsistent):
        unpack(data)


def test_an_entry_without_its_history_is_inconsistent() -> None:
    with pytest.raises(handoff.HandoffInconsistent, match="an entry's history"):
        unpack(with_header(lambda header: header["table"]["entries"][0].pop()))


# Keys.


@pytest.mark.parametrize("text", ["", "not base64!", base64.b64encode(b"short").decode(), "é" * 44])
def test_text_that_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(handoff.KeyInvalidError, match="`signing`") as refusal:
        handoff.SigningKey.from_text("signing", text)
    assert not text or text not in str(refusal.value)


@pytest.mark.parametrize("key_id", ["", "a/b", "ä", "x" * 65, "two words"])
def test_a_key_has_a_name_that_fits_a_file(key_id: str) -> None:
    with pytest.raises(handoff.KeyInvalidError, match="cannot name a key"):
        handoff.PublicKeys.from_texts({key_id: KEYS["2026-01"]})


def test_a_ring_without_keys_is_refused() -> None:
    with pytest.raises(handoff.KeyInvalidError, match="no signing key"):
        handoff.KeyRing.from_texts({})


def test_the_newest_key_signs_and_every_key_verifies() -> None:
    before = handoff.KeyRing.from_texts({"2025-12": KEYS["2025-12"]})
    assert RING.signing.id == "2026-01"
    assert unpack(handoff.pack(a_handoff(), key=before.signing)).request == "request-0"


def test_a_private_key_is_never_shown() -> None:
    assert "private" not in repr(RING.signing)
    assert KEYS["2026-01"] not in repr(RING)


def test_devices_get_public_keys_as_text() -> None:
    keys = handoff.PublicKeys.from_texts(RING.public.to_texts())
    assert unpack(FILE, keys=keys).request == "request-0"


# The journey.


def assert_same(one: handoff.Handoff, two: handoff.Handoff) -> None:
    for name in ("request", "model", "networks", "table", "settings", "attempt", "domain", "engine"):
        assert getattr(one, name) == getattr(two, name)
    assert (one.issued_at, one.expires_at) == (two.issued_at, two.expires_at)
    assert one.state.position == two.state.position
    ours = {"x": one.state.x, **dict(enumerate(one.state.history)), **one.conditioning}
    theirs = {"x": two.state.x, **dict(enumerate(two.state.history)), **two.conditioning}
    assert {name: (a.shape, a.dtype, a.tobytes()) for name, a in ours.items()} == {
        name: (a.shape, a.dtype, a.tobytes()) for name, a in theirs.items()
    }


floats = st.floats(width=32, allow_nan=False)
shapes = hnp.array_shapes(min_dims=3, max_dims=3, max_side=4)
texts = st.text(max_size=20)


@st.composite
def handoffs(draw: st.DrawFn) -> handoff.Handoff:
    name = draw(st.sampled_from(sampler.SAMPLERS))
    base = a_handoff(name, position=draw(st.integers(0, STEPS)))
    shape = draw(shapes)
    arrays = hnp.arrays(np.float32, shape, elements=floats)
    names = st.text(min_size=1, max_size=8)
    conditioning = draw(st.dictionaries(names, hnp.arrays(np.float32, shapes, elements=floats), max_size=3))
    age = draw(st.timedeltas(timedelta(0), timedelta(days=9000)))
    return replace(
        base,
        request=draw(texts),
        model=draw(texts),
        networks=draw(st.dictionaries(texts, texts, max_size=3)),
        state=State(
            position=base.state.position,
            x=draw(arrays),
            history=tuple(draw(arrays) for _ in base.state.history),
        ),
        settings=replace(
            base.settings,
            prompt=draw(texts),
            negative_prompt=draw(texts),
            seed=draw(st.integers(0, 2**64 - 1)),
            image=draw(st.integers(0, 2**32 - 1)),
            guidance_scale=draw(st.floats(allow_nan=False, allow_infinity=False)),
        ),
        conditioning=conditioning,
        issued_at=NOW - age,
        expires_at=NOW + draw(st.timedeltas(timedelta(microseconds=1), timedelta(days=100))),
        attempt=draw(st.integers(1, 2**32 - 1)),
        domain=draw(texts),
        engine=draw(texts),
    )


@given(handoffs())
def test_everything_survives_the_journey_and_packs_to_the_same_bytes(parcel: handoff.Handoff) -> None:
    data = handoff.pack(parcel, key=RING.signing)
    received = unpack(data)
    assert_same(received, parcel)
    assert handoff.pack(received, key=RING.signing) == data


@pytest.mark.parametrize("name", sampler.SAMPLERS)
@pytest.mark.parametrize("position", range(STEPS + 1))
def test_every_boundary_of_every_sampler_survives(name: str, position: int) -> None:
    parcel = a_handoff(name, position=position)
    assert_same(unpack(handoff.pack(parcel, key=RING.signing)), parcel)


def test_times_are_one_moment_in_every_zone() -> None:
    local = timezone(timedelta(hours=5, minutes=30))
    moved = a_handoff(issued_at=NOW.astimezone(local), expires_at=a_handoff().expires_at.astimezone(local))
    assert handoff.pack(moved, key=RING.signing) == FILE


def test_the_payload_is_a_safetensors_file_that_others_can_read() -> None:
    arrays = safetensors.numpy.load(FILE[START:])
    assert sorted(arrays) == ["conditioning.text", "history.0", "x"]
    assert arrays["x"].tobytes() == a_handoff().state.x.tobytes()


def test_arrays_that_are_not_contiguous_are_packed_as_they_read() -> None:
    state = State(position=0, x=a_latent(shape=(4, 3, 2)).T)
    parcel = a_handoff("ddim", position=0, state=state)
    assert_same(unpack(handoff.pack(parcel, key=RING.signing)), parcel)


def test_a_handoff_of_stable_diffusion_is_no_larger_than_its_arrays_and_a_header() -> None:
    state = State(position=3, x=a_latent(shape=(4, 64, 64)), history=(a_latent(shape=(4, 64, 64)),))
    parcel = a_handoff(state=state, conditioning={"text": a_latent(shape=(2, 77, 768))})
    assert len(handoff.pack(parcel, key=RING.signing)) < 131_072 + 2 * 77 * 768 * 4 + 4096


# Fuzz.


def refusal_of(data: bytes) -> str | None:
    """The sentence with which `data` is refused, if it is; any other exception fails the test."""
    try:
        unpack(data)
    except handoff.HandoffError as refusal:
        return str(refusal)
    return None


@given(st.binary(max_size=400))
@example(envelope.MAGIC)
def test_random_bytes_raise_nothing_but_handoff_errors(data: bytes) -> None:
    for candidate in (data, envelope.MAGIC + data, FILE[:START] + data):
        with pytest.raises(handoff.HandoffError):
            unpack(candidate)


cuts = st.tuples(st.integers(0, len(FILE)), st.integers(0, len(FILE)), st.binary(max_size=40))


@given(st.lists(cuts, min_size=1, max_size=4))
def test_mutated_handoffs_raise_nothing_but_handoff_errors(mutations: list[tuple[int, int, bytes]]) -> None:
    data = FILE
    for start, end, inserted in mutations:
        data = data[:start] + inserted + data[end:]
    if data != FILE:
        with pytest.raises(handoff.HandoffError):
            unpack(data)


@given(st.lists(cuts, min_size=1, max_size=3))
def test_mutated_payloads_with_a_right_signature_raise_nothing_but_handoff_errors(
    mutations: list[tuple[int, int, bytes]],
) -> None:
    def mutate(payload: bytes) -> bytes:
        for start, end, inserted in mutations:
            payload = payload[:start] + inserted + payload[end:]
        return payload

    assert refusal_of(with_payload(mutate)) != ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
paths = st.sampled_from(
    [(key,) for key in HEADER] + [(part, key) for part in ("settings", "table") for key in HEADER[part]]
)


@given(path=paths, value=json_values)
def test_any_value_anywhere_in_the_header_raises_nothing_but_handoff_errors(
    path: tuple[str, ...], value: object
) -> None:
    def change(header: dict[str, object]) -> None:
        for key in path[:-1]:
            header = header[key]
        header[path[-1]] = value

    assert refusal_of(with_header(change)) != ""


@given(name=st.sampled_from(["x", "history.0", "conditioning.text", "__metadata__"]), value=json_values)
def test_any_value_anywhere_in_the_index_raises_nothing_but_handoff_errors(name: str, value: object) -> None:
    assert refusal_of(with_index(lambda index: index.update({name: value}))) != ""
