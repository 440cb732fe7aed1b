"""Recompute keys, fingerprints and keyed checks of whole columns, each hash by hashlib."""

import json
from hashlib import sha1, sha256
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.domain.customer import ENDPOINT, KEY_NAMESPACE, Environment

_BLOCK, _INNER, _OUTER = 64, 0x36, 0x5C
_VARIANTS = [f"{digit:x}" for digit in range(16)], [f"{8 | digit & 3:x}" for digit in range(16)]
#: The hexadecimal digits of a hash, and where they are in a UUID of version 5.
_PARTS = ((0, 8, 0), (8, 12, 9), (13, 16, 15), (17, 20, 20), (20, 32, 24))


def are_first_keys(keys: Any, environment: Environment, references: Any, prints: Any) -> Any:
    """Whether each key is the UUIDv5 of environment, reference and content, in generation 1."""
    parts = [environment.name, environment.merchant, environment.mode, ENDPOINT]
    head = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))[:-1] + ',"'
    begin = KEY_NAMESPACE.bytes + head.encode()
    texts = [references.cast(pa.binary()), b'","', prints.cast(pa.binary()), b'",1]', b""]
    names = pc.binary_join_element_wise(pa.scalar(begin, pa.binary()), *texts).to_pylist()
    hashes = [sha1(name, usedforsecurity=False).hexdigest() for name in names]
    digests = pa.array(hashes, pa.string()).cast(pa.binary())
    agree = pc.equal(pc.binary_length(keys), 36)
    for start, stop, at in _PARTS:
        same = pc.equal(pc.binary_slice(digests, start, stop), _slice(keys, at, at + stop - start))
        agree = pc.and_(agree, same)
    digit = pc.index_in(pc.binary_slice(digests, 16, 17), pa.array(_VARIANTS[0], pa.binary()))
    variant = pc.take(pa.array(_VARIANTS[1], pa.binary()), digit)
    agree = pc.and_(agree, pc.equal(variant, _slice(keys, 19, 20)))
    for at, mark in ((8, "-"), (13, "-"), (14, "5"), (18, "-"), (23, "-")):
        agree = pc.and_(agree, pc.equal(_slice(keys, at, at + 1), mark.encode()))
    return agree


def are_checks(checks: Any, prefix: str, key: bytes, row_ids: Any) -> Any:
    """Whether each check is the prefix and the first 80 bits of HMAC-SHA256 over its row id."""
    padded = key.ljust(_BLOCK, b"\0")
    inner = sha256(bytes(byte ^ _INNER for byte in padded)).copy
    outer = sha256(bytes(byte ^ _OUTER for byte in padded)).copy
    found = []
    for row_id in row_ids.cast(pa.binary()).to_pylist():
        first, second = inner(), outer()
        first.update(row_id)
        second.update(first.digest())
        found.append(second.hexdigest()[:20])
    return pc.equal(pc.binary_join_element_wise(prefix, pa.array(found, pa.string()), ""), checks)


def sha256_of_each(texts: Any) -> Any:
    """The SHA-256 of each text, in hexadecimal."""
    content = texts.cast(pa.binary()).to_pylist()
    return pa.array([sha256(one).hexdigest() for one in content], pa.string())


def _slice(texts: Any, start: int, stop: int) -> Any:
    return pc.binary_slice(texts.cast(pa.binary()), start, stop)
