"""A second implementation of the formats of oubliette, written from FORMAT.md alone. Section numbers are that page's.

    decoder.py vectors DIRECTORY...  checks every file of test vectors
    decoder.py exchange DIRECTORY    reads the vault that the Rust test made there, and makes vaults for it to read

Needs `cryptography`; for passphrases `argon2-cffi`. It exists to find where the page and the crate differ: nothing in it
is hardened, no key is wiped, and it takes no locks.
"""

import base64
import hmac
import json
import os
import re
import sys
import unicodedata
from collections import Counter
from datetime import datetime
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

try:
    from argon2.low_level import Type, hash_secret_raw
except ImportError:
    hash_secret_raw = None

NUMBERS = 1 << 40  # one more than the highest customer number and generation
PAGE, RECORD, SLOT, TREE = 8281, 3776, 3816, 91
KEY, PAGE_KEY, SHREDDED = 0, 1, 2  # kinds of a page's entries (5.2)
SEED, WRITTEN, RETIRED = 0, 1, 2  # states of a tree (6.3)
NO_NONCE = bytes(12)


class Refused(Exception):
    """What a reader answers instead of a value: the error, as section 11 spells it."""


def check(holds, error):
    if not holds:
        raise Refused(error)


# ---- 2 and 3: notation, keys


def u(size, n):
    return n.to_bytes(size, "big")


def num(data):
    return int.from_bytes(data, "big")


def mac(key, data):
    return hmac.digest(key, data, "sha256")


def expand(key, info, size):
    t1 = mac(key, info + b"\x01")
    t2 = mac(key, t1 + info + b"\x02")
    return (t1 + t2)[:size]


def encrypt(key, nonce, associated, text):
    return AESGCM(key).encrypt(nonce, text, associated)


def decrypt(key, nonce, associated, data):
    try:
        return AESGCM(key).decrypt(nonce, data, associated)
    except InvalidTag:
        raise Refused("not_authentic") from None


def path(number):
    return u(5, number)


def child_info(tree, level, byte):
    return b"oubliette/1/child" + tree + u(1, level) + u(1, byte)


def child(seed, tree, level, byte):
    return expand(seed, child_info(tree, level, byte), 32)


def short(text):
    data = text.encode()
    return u(1, len(data)) + data


def field_info(label, tag):
    return b"oubliette/1/field" + short(label) + short(tag)


def halves(okm):
    return okm[:32], okm[32:]


def field_keys(customer_key, label, tag):
    return halves(expand(customer_key, field_info(label, tag), 64))


def page_keys(page_key):
    return halves(expand(page_key, b"oubliette/1/page", 48))


def record_info(salt, vault):
    return b"oubliette/1/record" + salt + vault


def record_keys(secret, salt, vault):
    return halves(expand(secret, record_info(salt, vault), 64))


def costs_allowed(recipe):
    return 8192 <= recipe["memory_kib"] <= 1 << 20 and 1 <= recipe["passes"] <= 16 and 1 <= recipe["lanes"] <= 16


def root_secret(root_key, recipe):
    """`root_key` is bytes of 32, or a passphrase (3.5)."""
    check(recipe["kind"] == (0 if isinstance(root_key, bytes) else 1), "wrong_root_key")
    if recipe["kind"] == 0:
        return root_key
    check(costs_allowed(recipe), "malformed")
    return hash_secret_raw(
        unicodedata.normalize("NFC", root_key).encode(),
        recipe["salt"],
        time_cost=recipe["passes"],
        memory_cost=recipe["memory_kib"],
        parallelism=recipe["lanes"],
        hash_len=32,
        type=Type.ID,
        version=0x13,
    )


# ---- 4: sealed values


def pad(content, step):
    return (content + b"\x80").ljust((len(content) // step + 1) * step, b"\0")


def unpad(padded):
    rest = padded.rstrip(b"\0")
    check(rest.endswith(b"\x80"), "invalid_content")
    return rest[:-1]


def sealed_data(witness, context, first=b"\xf8"):
    flag = b"\0" if context is None else b"\1"
    return first + witness + flag + bytes(6) + (context or b"")


def seal(tree, number, customer_key, label, tag, step, context, content, witness, nonce=None, first=b"\xf8"):
    nonce = nonce or os.urandom(12)
    aes_key, commitment = field_keys(customer_key, label, tag)
    data = encrypt(aes_key, nonce, sealed_data(witness, context, first), pad(content, step))
    return first + tree + u(5, number) + witness + nonce + commitment + data


def read_header(sealed, number):
    """Steps 1 and 2 of 4.3: tree and witness."""
    check(sealed[:1] <= b"\xf9", "unknown_version")
    check(sealed[:1] >= b"\xf8", "malformed")
    check(83 <= len(sealed) <= 16_842_833, "malformed")
    check(num(sealed[9:14]) != 0, "malformed")
    check(num(sealed[9:14]) == number, "other_customer")
    return sealed[1:9], sealed[14:22]


def decrypt_sealed(sealed, customer_key, label, tag, context):
    """Steps 6 and 7: the padded content."""
    aes_key, commitment = field_keys(customer_key, label, tag)
    check(hmac.compare_digest(commitment, sealed[34:66]), "not_authentic")
    return decrypt(aes_key, sealed[22:34], sealed_data(sealed[14:22], context, sealed[:1]), sealed[66:])


def to_text(sealed):
    return "obl1." + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def from_text(text):
    match = re.fullmatch(r"obl1\.([A-Za-z0-9_-]+)", text, re.ASCII)
    check(match and len(match[1]) % 4 != 1, "malformed")
    sealed = base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4))
    check(to_text(sealed) == text, "malformed")  # unused bits that are not zero
    check(sealed[:1] <= b"\xf9", "unknown_version")
    check(sealed[:1] >= b"\xf8", "malformed")
    return sealed


# ---- 5: pages


def page_data(vault, tree, level, position, generation):
    return b"\x01" + vault + tree + u(1, level) + position.ljust(4, b"\0") + u(8, generation)


def page_plaintext(entries):
    packed = bytearray(64)
    for b, (kind, _) in enumerate(entries):
        packed[b // 4] |= kind << (6 - 2 * (b % 4))
    return bytes(packed) + b"".join(key for _, key in entries)


def page_entries(plaintext):
    return [
        (plaintext[b // 4] >> (6 - 2 * (b % 4)) & 3, plaintext[64 + 32 * b : 96 + 32 * b]) for b in range(256)
    ]


def make_page(vault, tree, level, position, generation, entries, fresh=None):
    associated, plaintext = page_data(vault, tree, level, position, generation), page_plaintext(entries)
    page_key = mac(fresh or os.urandom(32), b"oubliette/1/new-page" + associated + plaintext)
    aes_key, name = page_keys(page_key)
    return page_key, name, b"\x01" + u(8, generation) + encrypt(aes_key, NO_NONCE, associated, plaintext)


def open_page(page_key, vault, tree, level, position, stored, newest):
    """The entries, and the generation that bounds those of the pages below."""
    check(len(stored) == PAGE, "size")
    check(stored[0] <= 1, "version")
    check(stored[0] == 1, "not_authentic")
    generation = num(stored[1:9])
    plaintext = decrypt(
        page_keys(page_key)[0], NO_NONCE, page_data(vault, tree, level, position, generation), stored[9:]
    )
    check(generation <= newest, "newer")
    entries = page_entries(plaintext)
    for kind, key in entries:
        check(kind < 3 and not (kind == PAGE_KEY and level == 4), "kind")
        check(kind != SHREDDED or key == bytes(32), "not_empty")
    return entries, generation


# ---- 6: the root record


class Reader:
    """Takes fields off the front, and checks what is said to be zero."""

    def __init__(self, data):
        self.rest = data

    def take(self, size):
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def num(self, size):
        return num(self.take(size))

    def bounded(self, size, least, most):
        n = self.num(size)
        check(least <= n <= most, "malformed")
        return n

    def filled(self, size, used):
        data = self.take(size)
        check(not any(data[used:]), "malformed")
        return data[:used]


def decode_clear(record):
    check(record[:1] <= b"\x01", "newer_version")
    check(record[:1] == b"\x01" and len(record) == RECORD, "malformed")
    r = Reader(record[1:600])
    clear = {"vault": r.take(16), "id": r.take(16), "parent": r.take(16)}
    clear["generation"] = r.bounded(8, 1, NUMBERS - 1)
    kind = r.bounded(1, 0, 3)
    costs = {"memory_kib": r.num(4), "passes": r.num(4), "lanes": r.num(4), "salt": r.take(16)}
    salt = costs["salt"]
    check(kind == 1 or not any(costs[name] for name in ("memory_kib", "passes", "lanes")), "malformed")
    check(kind in (1, 3) or not any(salt), "malformed")
    size = r.bounded(2, *[(0, 0), (0, 0), (1, 512), (41, 512)][kind])
    wrapped = r.filled(512, size)
    version = {"series": salt, "number": num(wrapped[:8]), "id": wrapped[8:24], "begun": num(wrapped[24:32])}
    version["generation"] = num(wrapped[32:40])
    check(kind != 3 or version["number"] > 0, "malformed")
    more = [{}, costs, {"wrapped": wrapped}, version | {"wrapped": wrapped[40:]}]
    clear["recipe"] = {"kind": kind} | more[kind]
    return clear


def encode_clear(clear):
    recipe = clear["recipe"]
    costs = b"".join(u(4, recipe.get(name, 0)) for name in ("memory_kib", "passes", "lanes"))
    wrapped, salt = recipe.get("wrapped", b""), recipe.get("salt", bytes(16))
    if recipe["kind"] == 3:
        wrapped, salt = u(8, recipe["number"]) + recipe["id"] + u(8, recipe["begun"]) + u(8, recipe["generation"]) + wrapped, recipe["series"]
    return (
        b"\x01" + clear["vault"] + clear["id"] + clear["parent"] + u(8, clear["generation"]) + u(1, recipe["kind"])
        + costs + salt + u(2, len(wrapped)) + wrapped.ljust(512, b"\0")
    )


def decode_tree(data, generation):
    r = Reader(data)
    tree = {"tree": r.take(8), "active": r.bounded(1, 0, 1)}
    state = r.bounded(1, 0, 2)
    tree["state"] = ("seed", "page", "retired")[state]
    purpose = r.filled(32, r.bounded(1, 1, 32))
    try:
        tree["purpose"] = purpose.decode()
    except UnicodeDecodeError:
        raise Refused("malformed") from None
    check(not any(unicodedata.category(c) == "Cc" for c in tree["purpose"]), "malformed")
    key = r.filled(32, 0 if state == RETIRED else 32)
    tree["key"] = key or None
    check(state != RETIRED or tree["active"] == 0, "malformed")
    tree["shredded"] = r.bounded(8, 0, NUMBERS)
    tree["made"] = r.bounded(8, 1, generation)
    return tree


def encode_tree(tree):
    state = ("seed", "page", "retired").index(tree["state"])
    purpose = tree["purpose"].encode()
    return (
        tree["tree"] + u(1, tree["active"]) + u(1, state) + u(1, len(purpose)) + purpose.ljust(32, b"\0")
        + (tree["key"] or bytes(32)) + u(8, tree["shredded"]) + u(8, tree["made"])
    )


def distinct(items):
    items = list(items)
    return len(set(items)) == len(items)


def decode_body(body, clear):
    r = Reader(body)
    content = {"next_number": r.bounded(8, 1, NUMBERS)}
    content["newest_block"] = r.bounded(8, 0, content["next_number"])
    content["lease_ms"] = r.bounded(4, 1, (1 << 32) - 1)
    content["shredded_through"] = r.bounded(8, 0, content["next_number"] - 1)
    content["floor"] = r.bounded(8, 0, clear["generation"])
    content["settled"] = r.bounded(8, 0, clear["generation"] - 1)
    content["gone_back"] = content["alarm"] = None
    finding = r.bounded(1, 0, 2)
    if finding:
        content["gone_back" if finding == 1 else "alarm"] = r.bounded(8, 1, (1 << 64) - 1)
    else:
        r.filled(8, 0)
    count = r.bounded(1, 1, 4)
    places = r.filled(4 * 8, 8 * count)
    content["places"] = [places[8 * i : 8 * i + 8] for i in range(count)]
    check(distinct(content["places"]), "malformed")
    count = r.bounded(1, 0, 22)
    trees = r.filled(22 * TREE, TREE * count)
    content["trees"] = [decode_tree(trees[TREE * i : TREE * i + TREE], clear["generation"]) for i in range(count)]
    check(distinct(tree["tree"] for tree in content["trees"]), "malformed")
    check(distinct(tree["purpose"] for tree in content["trees"] if tree["active"]), "malformed")
    count = r.bounded(2, 1, min(256, clear["generation"]))
    ring = r.filled(256 * 3, 3 * count)
    content["ring"] = [ring[3 * i : 3 * i + 3] for i in range(count)]
    check(content["ring"][0] == clear["id"][:3], "malformed")
    if r.bounded(1, 0, 1):
        tree = r.take(8)
        content["indexes"] = {"tree": tree, "state": r.bounded(1, 0, 1), "key": r.take(32)}
        content["indexes"]["made"] = r.bounded(8, 1, clear["generation"])
        check(tree not in [other["tree"] for other in content["trees"]], "malformed")
    else:
        r.filled(49, 0)
    content["signer"] = r.take(32)
    if r.bounded(1, 0, 1):
        content["anchor"] = {"n": r.bounded(8, 1, (1 << 64) - 1), "hash": r.take(32)}
    else:
        r.filled(40, 0)
    r.filled(114, 0)
    return content


def encode_indexes(tree):
    if not tree:
        return bytes(50)
    return u(1, 1) + tree["tree"] + u(1, tree["state"]) + tree["key"] + u(8, tree["made"])


def encode_journal(signer, anchor):
    vouched = u(1, 1) + u(8, anchor["n"]) + anchor["hash"] if anchor else bytes(41)
    return signer + vouched


def encode_body(content):
    gone_back, alarm = content["gone_back"], content["alarm"]
    places, trees, ring = content["places"], content["trees"], content["ring"]
    return (
        u(8, content["next_number"]) + u(8, content["newest_block"]) + u(4, content["lease_ms"])
        + u(8, content["shredded_through"]) + u(8, content["floor"]) + u(8, content["settled"])
        + u(1, 1 if gone_back else 2 if alarm else 0) + u(8, gone_back or alarm or 0)
        + u(1, len(places)) + b"".join(places).ljust(4 * 8, b"\0")
        + u(1, len(trees)) + b"".join(map(encode_tree, trees)).ljust(22 * TREE, b"\0")
        + u(2, len(ring)) + b"".join(ring).ljust(256 * 3, b"\0")
        + encode_indexes(content.get("indexes"))
        + encode_journal(content["signer"], content.get("anchor")) + bytes(114)
    )


def make_record(secret, clear, content, fresh=None):
    clear_bytes, body = encode_clear(clear), encode_body(content)
    salt = mac(fresh or os.urandom(32), b"oubliette/1/new-record" + clear_bytes + body)
    aes_key, commitment = record_keys(secret, salt, clear["vault"])
    before = clear_bytes + salt + commitment
    return before + encrypt(aes_key, NO_NONCE, before, body)


def open_record(record, secret_of):
    """`secret_of` finds the root secret for a recipe (3.5)."""
    clear = decode_clear(record)
    aes_key, commitment = record_keys(secret_of(clear["recipe"]), record[600:632], clear["vault"])
    check(hmac.compare_digest(commitment, record[632:664]), "wrong_root_key")
    return clear, decode_body(decrypt(aes_key, NO_NONCE, record[:664], record[664:]), clear)


def newest(copies):
    """6.5, but for what needs it open: which places it lists, and that the first one shows it."""
    copies = [(decode_clear(copy), copy) for copy in copies]
    clear, record = max(copies, key=lambda copy: copy[0]["generation"])
    return clear, record, copies


def ancestor(clear, content, other):
    behind = clear["generation"] - other["generation"]
    return behind > 0 and (
        other["id"] == clear["parent"] or behind < len(content["ring"]) and content["ring"][behind] == other["id"][:3]
    )


def left_behind(clear, content, other):
    """Of a copy in a place that the newest record does not list."""
    behind, ring = clear["generation"] - other["generation"], content["ring"]
    if behind <= 0:
        return False
    # A promotion skips a generation.
    return behind >= len(ring) or other["parent"][:3] in ring[behind + 1 : behind + 3]


# ---- 7 and 4.3: a whole vault


class Vault:
    def __init__(self, clear, content, pages):
        self.clear, self.content, self.pages = clear, content, pages
        self.id, self.generation = clear["vault"], clear["generation"]

    def active(self, purpose):
        return next((t for t in self.content["trees"] if t["active"] and t["purpose"] == purpose), None)

    def page(self, tree, page_key, level, position, newest):
        stored = self.pages.get(page_keys(page_key)[1])
        check(stored is not None, "missing")
        return open_page(page_key, self.id, tree["tree"], level, position, stored, newest)

    def customer_key(self, tree, number):
        check(tree["state"] != "retired", "retired")
        kind, key, bound = PAGE_KEY if tree["state"] == "page" else KEY, tree["key"], self.generation
        for level, byte in enumerate(path(number)):
            if kind == KEY:
                key = child(key, tree["tree"], level + 1, byte)
            else:
                entries, bound = self.page(tree, key, level, path(number)[:level], bound)
                kind, key = entries[byte]
                check(kind != SHREDDED, "shredded")
        return key

    def is_shredded(self, tree, number):
        try:
            self.customer_key(tree, number)
        except Refused as refused:
            if str(refused) == "shredded":
                return True
            raise
        return False

    def seal(self, number, purpose, label, tag, step, context, content, witness=bytes(8)):
        tree = self.active(purpose)
        return seal(
            tree["tree"], number, self.customer_key(tree, number), label, tag, step, context, content, witness
        )

    def open(self, number, purpose, label, tag, context, sealed):
        """The content, by the ten steps of 4.3."""
        check(self.content["gone_back"] is None, "rolled_back")
        tree_id, witness = read_header(sealed, number)
        tree = next((t for t in self.content["trees"] if t["tree"] == tree_id), None)
        check(tree, "other_vault")
        check(tree["purpose"] == purpose, "other_purpose")
        if not tree["active"]:
            active = self.active(purpose)
            check(not (active and self.is_shredded(active, number)), "shredded")
            check(tree["state"] != "retired", "retired")
        issued = number < self.content["next_number"]
        try:
            padded = decrypt_sealed(sealed, self.customer_key(tree, number), label, tag, context)
        except Refused:
            check(issued, "not_enrolled")
            raise
        check(sealed[:1] == b"\xf8", "sealed_in_copy")
        check(issued, "not_of_this_history")
        generation = num(witness[:5])
        if any(witness) and generation >= self.content["floor"]:
            behind = self.generation - generation
            check(behind >= 0, "not_of_this_history")
            ring = self.content["ring"]
            check(behind >= len(ring) or ring[behind] == witness[5:], "not_of_this_history")
        content = unpad(padded)
        decode(tag, content)
        return content

    def shred(self, tree, numbers, generation):
        """The pages to write by 5.4; changes `tree` to what the next record says of it."""
        written = {}

        def node(kind, key, level, position, below, newest):
            if kind == KEY:
                entries = [(KEY, child(key, tree["tree"], level + 1, b)) for b in range(256)]
                if level == 4 and position == bytes(4):
                    entries[0] = SHREDDED, bytes(32)
            else:
                entries, newest = self.page(tree, key, level, position, newest)
            before = list(entries)
            for byte, group in groupby(below, lambda n: path(n)[level]):
                group = list(group)
                if entries[byte][0] == SHREDDED:
                    continue
                if len(group) == 256 ** (4 - level):
                    entries[byte] = SHREDDED, bytes(32)
                else:
                    entries[byte] = node(*entries[byte], level + 1, position + u(1, byte), group, newest)
            if entries == before:
                return kind, key
            if level > 0 and all(kind == SHREDDED for kind, _ in entries):
                return SHREDDED, bytes(32)
            page_key, name, stored = make_page(self.id, tree["tree"], level, position, generation, entries)
            written[name] = stored
            return PAGE_KEY, page_key

        numbers = sorted(n for n in set(numbers) if not self.is_shredded(tree, n))
        kind = PAGE_KEY if tree["state"] == "page" else KEY
        kind, tree["key"] = node(kind, tree["key"], 0, b"", numbers, self.generation)
        tree["state"] = "page" if kind == PAGE_KEY else "seed"
        tree["shredded"] += len(numbers)
        return written


# ---- 8: personal data types

STEPS = {"obl.name": 96, "obl.email": 64, "obl.phone": 32, "obl.address": 128, "obl.date": 16, "obl.text": 256}


def utf8(content, least, most):
    check(least <= len(content) <= most, "invalid_content")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Refused("invalid_content") from None


def decode(tag, content):
    """The content as a text. An address is its country and its lines, each on a line."""
    if tag == "obl.name":
        return utf8(content, 1, 300)
    if tag == "obl.email":
        check(b"@" in content, "invalid_content")
        return utf8(content, 1, 254)
    if tag == "obl.phone":
        check(re.fullmatch(rb"[+~][1-9][0-9]{6,14}(;ext=[0-9]{1,10})?", content), "invalid_content")
        return content.decode()
    if tag == "obl.date":
        check(re.fullmatch(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}", content), "invalid_content")
        try:
            datetime(*(int(part) for part in content.split(b"-")))
        except ValueError:
            check(False, "invalid_content")
        return content.decode()
    if tag == "obl.text":
        return utf8(content, 0, 1 << 24)
    if tag == "obl.address":
        check(re.match(rb"\x01[A-Z][A-Z][\x01-\x0a]", content), "invalid_content")
        r, lines = Reader(content[4:]), [content[1:3].decode()]
        for _ in range(content[3]):
            line = r.take(r.num(2))
            lines.append(utf8(line, 1, 300))
            check(b"\n" not in line, "invalid_content")
        check(not r.rest and encode(tag, "\n".join(lines)) == content, "invalid_content")  # nothing cut short either
        return "\n".join(lines)
    text = utf8(content, 0, 1 << 24)
    try:
        json.loads(text)
    except ValueError:
        raise Refused("invalid_content") from None
    return text


def encode(tag, text):
    """For texts that are normalised already."""
    if tag != "obl.address":
        return text.encode()
    country, *lines = text.split("\n")
    lines = [line.encode() for line in lines]
    return b"\x01" + country.encode() + u(1, len(lines)) + b"".join(u(2, len(line)) + line for line in lines)


OURS = "obl."


def is_name(data, most):
    """The rule of section 1 for purposes, labels and tags."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    controls = re.search("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text)
    return 1 <= len(data) <= most and not controls


def encode_group(members):
    """8.2. `members`: label, tag and content of each, in any order."""
    out = b"\1"
    for label, tag, content in sorted(members, key=lambda member: member[0].encode()):
        written = u(1, 0x80 | len(tag) - 4) + tag[4:].encode() if tag.startswith(OURS) else short(tag)
        out += short(label) + written + u(3, len(content)) + content
    return out


def decode_group(content):
    check(content[:1] <= b"\1", "unknown_version")
    check(content[:1] == b"\1", "invalid_content")
    r, members = Reader(content[1:]), []
    while r.rest:
        label = r.take(r.num(1))
        check(is_name(label, 64) and (not members or members[-1][0].encode() < label), "invalid_content")
        length = r.num(1)
        tag = r.take(length & 0x7F)
        ours = length & 0x80
        check(is_name(tag, 28 if ours else 32) and (ours or not tag.startswith(b"obl.")), "invalid_content")
        size = r.num(3)
        check(size <= len(r.rest), "invalid_content")
        members.append((label.decode(), (OURS if ours else "") + tag.decode(), r.take(size)))
    check(len(members) <= 64 and encode_group(members) == content, "invalid_content")
    return members


# ---- 8.1: canonical forms


def each(*ranges):
    """Characters by number, or by first and last number."""
    return {chr(n) for r in ranges for n in (range(r[0], r[1] + 1) if isinstance(r, tuple) else [r])}


APART = [
    (chr(a) + "\u0d4d\u200d", chr(b))
    for a, b in [(0xD23, 0xD7A), (0xD28, 0xD7B), (0xD30, 0xD7C), (0xD32, 0xD7D), (0xD33, 0xD7E), (0xD15, 0xD7F)]
] + [("\u09a4\u09cd\u200d", "\u09ce"), (".\u00aa", "\u00aa"), (".\u00ba", "\u00ba")]
NUMBERED = each(
    (0xB2, 0xB3), 0xB9, 0x2070, (0x2074, 0x2079), (0x2080, 0x2089), (0x2460, 0x249B), 0x24EA, (0x3251, 0x325F),
    (0x32B1, 0x32CB), (0x3358, 0x3370), (0x3378, 0x3379), (0x339F, 0x33A6), 0x33A8, 0x33AF, (0x33E0, 0x33FE),
    (0x1F100, 0x1F10A),
)
FRACTIONS = each((0xBC, 0xBE), (0x2150, 0x215F), 0x2189)
PLAIN = {}
for characters, becomes in [
    (each(0x60, 0xB4, (0x2B9, 0x2BF), 0x2C8, (0x2CA, 0x2CB), 0x2EE, 0x384, 0x55A, 0x5F3, 0x1FBD, 0x1FBF, 0x1FEF,
          (0x1FFD, 0x1FFE), (0x2018, 0x201B), 0x2032, 0x2035, (0xA78B, 0xA78C), 0xFF07), "'"),
    (each(0xAB, 0xBB, 0x5F4, (0x201C, 0x201F), 0x2033, (0x301D, 0x301F)), '"'),
    (each(0x2D7, 0x58A, 0x5BE, (0x2010, 0x2015), 0x2043, 0x2212, (0x2500, 0x2501), (0x2E3A, 0x2E3B), 0xFE58, 0xFE63,
          0xFF0D), "-"),
    (each(0x387, 0x2022, 0x2027, 0x2219, 0x22C5, 0x2E31, 0x30FB, 0xFF65), "\u00b7"),
    ("\u00b0", "o"), ("\u301c", "~"), ("\u2044", "/"),
]:
    PLAIN |= dict.fromkeys(map(ord, characters), becomes)
UNSEEN = each(
    0xAD, 0x34F, 0x61C, (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E),
    (0x2060, 0x206F), 0x3164, (0xFE00, 0xFE0F), 0xFEFF, 0xFFA0, (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)
EUROPEAN_MARKS = each((0x300, 0x36F))
GREEK = each((0x370, 0x3E1), (0x3F0, 0x3FF))
LETTERS = {
    "\u0131": "i", "\u00f0": "\u0111", "\u0256": "\u0111", "\u06cc": "\u064a", "\u0649": "\u064a", "\u06a9": "\u0643",
    "\u06aa": "\u0643", "\u06c1": "\u0647", "\u06c3": "\u0629", "\u0640": "", "\u05f0": "\u05d5\u05d5",
    "\u05f1": "\u05d5\u05d9", "\u05f2": "\u05d9\u05d9", "\u30f5": "\u30ab", "\u30f6": "\u30b1",
}
SEQUENCES = [
    ("\u0565\u057e", "\u0565\u0582"), ("\u0e40\u0e40", "\u0e41"), ("\u0ec0\u0ec0", "\u0ec1"),
    ("\u0bb8\u0bcd\u0bb0\u0bc0", "\u0bb6\u0bcd\u0bb0\u0bc0"), ("\u06d5\u0654", "\u0647\u0654"),
]
IDEOGRAPHS = each((0x3005, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
KANA = each((0x3041, 0x3096), (0x3099, 0x309A), (0x309D, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x30FF),
            (0x31F0, 0x31FF), (0x1AFF0, 0x1B16F))
# Unicode's White_Space. Python's own notion has four control characters more.
SPACES = set("\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | each((0x2000, 0x200A))
COMMAS = set(",\u060c\u3001\u3012")
DIGITS = set("0123456789")
TIGHT = IDEOGRAPHS | KANA | {"-"}


def plain_character(c):
    digit = unicodedata.decimal(c, None)
    return PLAIN.get(ord(c), c) if digit is None else str(digit)


def plain_characters(c):
    if c in NUMBERED:
        return c
    text = "".join(map(plain_character, unicodedata.normalize("NFKD", plain_character(c))))
    return " " * (c in FRACTIONS) + "".join(c for c in text if c not in UNSEEN)


def folded_letters(text):
    out, base = "", " "
    for c in text:
        c = c.casefold()
        if c in EUROPEAN_MARKS:
            if base in GREEK or (c == "\u0307" and base in "ij"):
                continue
            out += "\u0327" if c == "\u0326" else c
            continue
        c = LETTERS.get(c, c)
        out += c
        base = c[-1:] or base
    return out


def gap(text, at, separators):
    c = text[at]
    if c == "." and at and text[at - 1] in DIGITS and text[at + 1 : at + 2] in DIGITS:
        return ""
    return "\u00b7" if c == "\u00b7" else " " if c in SPACES or c == "." or c in separators else ""


def laid_out(text, separators):
    gaps = [gap(text, at, separators) for at in range(len(text))]
    solid = [at for at in range(len(text)) if not gaps[at]]
    out = ""
    for place, at in enumerate(solid):
        c = text[at]
        if c in "-\u30fc":
            after = text[solid[place + 1]] if place + 1 < len(solid) else ""
            c = "\u30fc" if out[-1:] in KANA and after not in DIGITS else "-"
        between = "".join(gaps[solid[place - 1] + 1 : at]) if place else ""
        if between and out[-1] not in TIGHT and c not in TIGHT:
            out += "\u00b7" if "\u00b7" in between else " "
        out += c
    return out


def folded(text, separators=()):
    text = unicodedata.normalize("NFD", text)
    for a, b in APART:
        text = text.replace(a, b)
    text = folded_letters(unicodedata.normalize("NFD", "".join(map(plain_characters, text))))
    for a, b in SEQUENCES:
        text = text.replace(a, b)
    return unicodedata.normalize("NFC", laid_out(text, separators) or text.strip("".join(SPACES)))


VOWEL_MARKS = each(
    (0x483, 0x487), (0x591, 0x5BD), 0x5BF, (0x5C1, 0x5C2), (0x5C4, 0x5C5), 0x5C7, (0x610, 0x61A), 0x621,
    (0x64B, 0x65F), 0x670, (0x6D6, 0x6DC), (0x6DF, 0x6E4), (0x6E7, 0x6E8), (0x6EA, 0x6ED), 0x711, (0x730, 0x74A),
)
WIDE_LETTERS = {
    "\u00e6": "a", "\u0153": "o", "\u00f8": "o", "\u0254": "o", "\u0259": "e", "\u025b": "e", "\u0111": "d",
    "\u0257": "d", "\u0142": "l", "\u0127": "h", "\u0167": "t", "\u014b": "n", "\u0253": "b", "\u0199": "k",
    "\u01b4": "y", "\u00fe": "th", "\u0671": "\u0627", "\u0629": "\u0647", "\u06be": "\u0647", "\u06d5": "\u0647",
    "\u06d2": "\u064a", "\u0901": "\u0902", "\u0981": "\u0982", "\u0a81": "\u0a82", "\u9ad9": "\u9ad8",
    "\ufa11": "\u5d0e", "\u5d5c": "\u5d0e", "\U00020bb7": "\u5409", "\u908a": "\u8fba", "\u9089": "\u8fba",
    "\u6ff1": "\u6d5c", "\u6ff5": "\u6d5c", "\u9f4b": "\u658e", "\u6fa4": "\u6ca2", "\u5ee3": "\u5e83",
    "\u570b": "\u56fd",
} | {chr(n): chr(n - 0x60) for n in range(0x30A1, 0x30F5)}
WIDE_GAPS = set(" -'\"\u00b7.,\u060c\u3001")


def widened(text):
    out, apart = "", False
    for c in unicodedata.normalize("NFD", text):
        if c in EUROPEAN_MARKS or c in VOWEL_MARKS or unicodedata.combining(c) == 7:
            continue
        for c in WIDE_LETTERS.get(c, c):
            if c in WIDE_GAPS:
                apart = True
                continue
            if apart and out[-1:] in DIGITS and c in DIGITS:
                out += " "
            apart = False
            if (out[-1:] or " ") + c not in ("ae", "oe", "ue", "aa"):
                out += c
    return unicodedata.normalize("NFC", out or text)


POSTCODES = {
    "GB GG GI IM JE": "a9 9aa|a99 9aa|aa9 9aa|aa99 9aa|a9a 9aa|aa9a 9aa",
    "FK GS IO PN SH TC": "aaaa 9aa",
    "BR": "99999 999",
    "CA": "a9a 9a9",
    "CZ GR SE SK": "999 99",
    "IE": "a99 xxxx|d6w xxxx",
    "IN": "999 999",
    "JP": "999 9999",
    "MT": "aaa 9999",
    "NL": "9999 aa",
    "PL": "99 999",
    "PT": "9999 999",
    "AS GU MP PR US VI": "99999 9999",
}


def join_postcodes(country, text):
    for countries, formats in POSTCODES.items():
        if country in countries.split():
            any_of = []
            for form in formats.split("|"):
                first, second = ("".join({"a": "[a-z]", "9": "[0-9]", "x": "[a-z0-9]"}.get(c, c) for c in part)
                                 for part in form.split())
                any_of.append(f"{first}[ -]{second}")
            found = rf"(?<![0-9A-Za-z-])(?:{'|'.join(any_of)})(?![0-9A-Za-z-])"
            return re.sub(found, lambda m: re.sub("[ -]", "", m[0]), text)
    return text


def canonical(tag, content, wide=False):
    text = decode(tag, content)
    if tag == "obl.name":
        return widened(folded(text)) if wide else folded(text)
    if tag == "obl.address":
        country, *lines = text.split("\n")
        text = join_postcodes(country, folded(" ".join(lines), COMMAS))
        return country + " " + (widened(text) if wide else text)
    if tag == "obl.phone":
        return text.replace("~", "+")
    if tag == "obl.date":
        return text
    if tag == "obl.text":
        return unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    local, _, domain = text.rpartition("@")
    local = unicodedata.normalize("NFC", local)
    if len(local) > 1 and local[0] == local[-1] == '"':
        local = re.sub(r"\\(.)", r"\1", local[1:-1], flags=re.DOTALL)
    if any(not piece or SPACES & set(piece) or re.search(r'["(),:;<>@\[\\\]]', piece) for piece in local.split(".")):
        local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
    try:
        # The standard library has IDNA 2003 only. For the domains of the vectors it agrees with UTS #46.
        domain = domain.lower().encode("idna").decode()
    except UnicodeError:
        domain = domain.lower()
    return unicodedata.normalize("NFC", local.lower()) + "@" + domain


# ---- 9: the directory store


def checked(data, tag, what):
    check(len(data) >= 40 and sha256(data[:-32]).digest() == data[-32:], f"damaged {what}")
    check(data[:7] == tag, f"damaged {what}")
    check(data[7] <= 1, f"newer {what}")
    return data[7], data[8:-32]


def with_checksum(data):
    return data + sha256(data).digest()


def read_slot(data):
    check(len(data) == SLOT, "damaged slot")
    version, record = checked(data, b"OBLroot", "slot")
    check(version == 1 or not any(record), "damaged slot")
    return record if version else None


def mark_proof(signer, vault, generation, is_copy):
    return expand(signer, b"oubliette/1/mark" + vault + u(8, generation) + u(1, is_copy), 32)


def read_mark(data):
    """Generation, vault and proof."""
    check(len(data) == 608 and not any(data[96:512]), "damaged mark")
    marks = []
    for offset in (0, 512):
        try:
            body = checked(data[offset : offset + 96], b"OBLmark", "mark")[1]
            marks.append((num(body[:8]), body[8:24], body[24:]))
        except Refused as refused:
            if str(refused) == "newer mark":
                raise
    check(marks, "damaged mark")
    return max(marks)


def read_batch(file):
    data = file.read_bytes()
    count = num(data[16:20])
    check(len(data) >= 52 + 24 * count, "damaged batch")
    _, table = checked(data[: 52 + 24 * count], b"OBLpage", "batch")
    check(re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]{16}\.pages", file.name), "damaged batch")
    check(file.name[:16] == table[:8].hex(), "damaged batch")
    pages = {}
    for i in range(count):
        row = table[12 + 24 * i : 36 + 24 * i]
        page = data[52 + 24 * count + PAGE * i :][:PAGE]
        check(sha256(page).digest()[:8] == row[16:], "damaged page")
        pages[row[:16]] = page
    check(len(data) == 52 + 24 * count + PAGE * count, "damaged batch")
    return pages


class Place:
    def __init__(self, at):
        root, pages = at / "root", at / "pages"
        data = (root / "place").read_bytes()
        check(len(data) == 48, "damaged place")
        self.id = checked(data, b"OBLplac", "place")[1]
        slots = [read_slot((root / name).read_bytes()) for name in ("slot-a", "slot-b")]
        self.copies = [slot for slot in slots if slot is not None]
        self.mark = read_mark((pages / "mark").read_bytes())
        self.batches = {file.name: read_batch(file) for file in sorted(pages.glob("*.pages"))}
        self.pages = {name: page for batch in self.batches.values() for name, page in batch.items()}
        self.superseded = []
        if (pages / "superseded").exists():
            rows = checked((pages / "superseded").read_bytes(), b"OBLsupd", "superseded")[1]
            check(len(rows) % 24 == 0, "damaged superseded")
            self.superseded = [f"{rows[i:i+8].hex()}-{rows[i+8:i+16].hex()}.pages" for i in range(0, len(rows), 24)]


def read_vault(places, root_key):
    places = [Place(at) for at in places]
    clear, record, _ = newest([copy for place in places for copy in place.copies])
    clear, content = open_record(record, lambda recipe: root_secret(root_key, recipe))
    for place in places:
        for copy in place.copies:
            other = decode_clear(copy)
            is_of_here = copy == record or ancestor(clear, content, other)
            if place.id not in content["places"]:
                is_of_here = is_of_here or left_behind(clear, content, other)
            check(other["vault"] == clear["vault"] and is_of_here, "diverged")
    check(any(record in place.copies and place.id in content["places"] for place in places), "wrong place")
    check(any(record in place.copies and place.id == content["places"][0] for place in places), "first place")
    return Vault(clear, content, {n: p for place in places for n, p in place.pages.items()}), places


def write(file, data):
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(data)


def write_place(at, place, slots, signer, vault, mark, batches):
    """`slots`: two records or None; `batches`: (generation, pages by name)."""
    root, pages = at / "root", at / "pages"
    for directory in (at, root, pages):
        directory.mkdir(mode=0o700)
    write(root / "CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55\n")
    for name, record in zip(("slot-a", "slot-b"), slots):
        write(root / name, with_checksum(b"OBLroot" + (b"\1" + record if record else bytes(1 + RECORD))))
    write(root / "lock", b"")
    one = with_checksum(b"OBLmark\1" + u(8, mark) + vault + mark_proof(signer, vault, mark, 0))
    write(pages / "mark", one + bytes(512 - 96) + one)
    write(pages / "lock", b"")
    for generation, batch in batches:
        table = b"".join(name + sha256(page).digest()[:8] for name, page in batch.items())
        head = with_checksum(b"OBLpage\1" + u(8, generation) + u(4, len(batch)) + table)
        write(pages / f"{generation:016x}-{os.urandom(8).hex()}.pages", head + b"".join(batch.values()))
    write(root / "place", with_checksum(b"OBLplac\1" + place))


# ---- 10: the journal

EXACT = (1 << 53) - 1
LINE, HEAD, DOCUMENT = 1 << 16, 173, 1 << 20
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
NO_HASH = bytes(32)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text, size):
    check(isinstance(text, str) and re.fullmatch("[A-Za-z0-9_-]*", text), "form")
    check(len(text) == -(-size * 4 // 3), "form")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    check(b64(data) == text, "form")
    return data


def key_text(key):
    return "obl-key-1." + b64(key)


def is_signed(key, signature, message):
    # That no key and no R is of small order is not looked at here.
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def number(value, least=0, most=EXACT):
    check(type(value) is int and least <= value <= most, "form")


def customer(value):
    number(value, 1, NUMBERS - 1)


def numbers(value):
    check(isinstance(value, list), "form")
    least = 1
    for element in value:
        first, last = element if isinstance(element, list) and len(element) == 2 else (element, element)
        customer(first), customer(last)
        check(first >= least and (first < last or not isinstance(element, list)), "form")
        least = last + 2


def bounded(most):
    def text(value):
        check(isinstance(value, str) and 1 <= len(value.encode()) <= most and not CONTROL.search(value), "form")

    return text


reason, label, whose = bounded(200), bounded(128), bounded(1000)


def time(value):
    check(isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value, re.ASCII), "form")
    try:
        datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError:
        raise Refused("form") from None
    check("1970" <= value <= "9999-12-30T21:59:59.999Z", "form")


def digits(count):
    return lambda value: check(isinstance(value, str) and re.fullmatch(f"[0-9a-f]{{{count}}}", value), "form")


def hash_(value):
    unb64(value, 32)


def key(value):
    check(isinstance(value, str) and value.startswith("obl-key-1."), "form")
    unb64(value[10:], 32)


def list_of(kind):
    def check_list(value):
        check(isinstance(value, list), "form")
        for element in value:
            kind(element)

    return check_list


def one_of(*values):
    return lambda value: check(any(value is v or isinstance(v, str) and value == v for v in values), "form")


def members(value, table, ordered=True):
    """`table`: names and types, those with a `?` may be left out."""
    check(isinstance(value, dict), "form")
    names = {name.rstrip("?"): name.endswith("?") for name, _ in table}
    check(set(value) <= set(names) and all(name in value or may for name, may in names.items()), "form")
    check(not ordered or list(value) == [name for name in names if name in value], "form")
    for name, kind in table:
        if name.rstrip("?") in value:
            kind(value[name.rstrip("?")])


def filled(kind):
    """A list that is left out when it is empty."""
    return lambda value: (list_of(kind)(value), check(value, "form"))


def index(value):
    members(value, [("purpose", label), ("field", label), ("tag", label), ("label", label), ("bits", lambda n: number(n, 0, 65535))])


def whom(value):
    check(isinstance(value, dict) and len(value) == 1, "form")
    members(value, [("numbers?", numbers), ("through?", customer)])


def epoch(value):
    number(value, 0, 255)


WHY, vault, tree, series = ("why?", reason), digits(32), digits(16), digits(32)
BEGAN = ("created", "forgot", "age", "by_hand", "place", "recovery", "new_key", "unknown")


def root_key(value):
    members(value, [
        ("series", series), ("number", number), ("id", digits(32)), ("generation", number), ("began", one_of(*BEGAN)),
        ("begun", time), ("kept?", kept),
    ])


def kept(value):
    members(value, [("from", number), ("until", time)])


KINDS = {
    "opened": [("vault", vault), ("public_key", key)],
    "shred": [("whom", whom), ("purpose?", label), WHY],
    "rotate_root_key": [WHY],
    "rotate_purpose": [("purpose", label), WHY],
    "retire_replaced": [("purpose", label), ("new", tree), WHY],
    "begin_epoch": [("index", index), ("epoch?", epoch), WHY],
    "retire_epoch": [("index", index), ("epoch", epoch), WHY],
    "recover": [("seen", number), ("highest_number?", customer), WHY],
    "clear_alarm": [("seen", number), ("highest_number?", customer), ("why", reason)],
    "add_purposes": [("purposes", list_of(label))],
    "places": [("attached?", filled(label)), ("detached?", filled(label)), ("first?", label)],
    "outcome": [
        ("of", number), ("result", one_of("done", "refused", "unknown")), ("newly?", number), ("already?", number),
        ("tree?", tree), ("trees?", filled(tree)), ("epoch?", epoch), ("effective_at?", time), ("root_key?", root_key),
    ],
    "root_key": [("version", root_key)],
    "copied": [("series", series)],
    "forget_series": [("series", series), WHY],
    "gap": [("vault", vault), ("from", number), ("to", number), ("after", hash_), ("why", reason)],
    "torn": [("bytes", number)],
    "granted": [
        ("grant", number), ("number", customer), ("purpose", label), ("basis", label), ("recipient?", label),
        ("until?", time),
    ],
    "erased": [("numbers", numbers), ("commitment", hash_)],
    "merged": [("numbers", numbers), ("into", numbers)],
    "ended": [("grant", number), ("number", customer), ("purpose", label), WHY],
    "requested": [("request", number), ("what", label), ("numbers", numbers), ("received", time), ("due", time)],
    "request_extended": [("request", number), ("due", time), ("why", reason)],
    "request_noted": [("request", number), ("note", reason)],
    "request_closed": [("request", number), ("how", label), WHY],
    "hold": [("hold", number), ("numbers", numbers), ("purpose?", label), ("why", reason), ("until?", time)],
    "hold_ended": [("hold", number), WHY],
    "hold_overridden": [("hold", number), ("what", label), ("why", reason)],
    "shred_ordered": [("whom", whom), ("purpose?", label), WHY],
    "swept": [("purpose?", label), ("due", number), ("shredded", number), ("held", number)],
    "disclosed": [
        ("number", customer), ("recipient", label), ("purpose", label), ("fields", list_of(label)),
        ("encrypted", one_of(True, False)),
    ],
    "accessed": [("numbers", numbers)],
    "openings": [
        ("at", time), ("who", reason), ("why", reason), ("purpose", label), ("field", label),
        ("result", one_of("opened", "refused", "failed")), ("count", number), ("numbers", numbers),
    ],
    "restored": [("what", reason), ("erased", number)],
    "note": [("text", reason)],
}


def event(value):
    check(isinstance(value, dict) and list(value)[:1] == ["kind"], "form")
    check(isinstance(value["kind"], str) and value["kind"] in KINDS, "form")
    members(value, [("kind", lambda _: None)] + KINDS[value["kind"]])


def no_name_twice(pairs):
    check(len(dict(pairs)) == len(pairs), "form")
    return dict(pairs)


def parse(text):
    try:
        return json.loads(text, object_pairs_hook=no_name_twice)
    except (ValueError, RecursionError):
        raise Refused("form") from None


def compact(value, **more):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), **more)


def read_line(line):
    check(len(line.encode()) < LINE, "form")
    entry = parse(line)
    members(
        entry,
        [
            ("n", lambda n: number(n, 1)), ("prev", hash_), ("at", time), ("generation", lambda n: number(n, 0, NUMBERS - 1)),
            ("id?", lambda value: unb64(value, 16)), ("event", event), ("sig", lambda value: unb64(value, 64)),
        ],
    )
    check(compact(entry) == line, "form")
    return entry


def signed_part(line):
    return line.encode()[:-96]


def journal_message(vault_id, signed):
    return b"oubliette/1/journal" + vault_id + signed


def line_hash(line):
    return sha256(line.encode()).digest()


def make_line(seed, vault_id, entry):
    signed = compact({name: value for name, value in entry.items() if name != "sig"})[:-1]
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(journal_message(vault_id, signed.encode()))
    return signed + ',"sig":"' + b64(signature) + '"}'


def head_message(vault_id, signed):
    return b"oubliette/1/head" + vault_id + signed


def make_head(seed, vault_id, n, hash_of):
    signed = compact({"n": f"{n:016}", "hash": b64(hash_of)})[:-1]
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(head_message(vault_id, signed.encode()))
    return signed + ',"sig":"' + b64(signature) + '"}'


def read_head(line, vault_id, public_key):
    head = parse(line)
    n, hash_of = int(head["n"]), unb64(head["hash"], 32)
    check(len(line) + 1 == HEAD and line.startswith(compact({"n": f"{n:016}", "hash": b64(hash_of)})[:-1]), "head")
    check(is_signed(public_key, unb64(head["sig"], 64), head_message(vault_id, line.encode()[:-96])), "head")
    return n, hash_of


def check_lines(lines, head, public_key):
    """By the rules of 10.3. Gives the number of the last entry."""
    check(lines, "form")
    vault_id, last, hashes = None, (0, NO_HASH), {}

    def signed(line):
        return vault_id and is_signed(public_key, unb64(read_line(line)["sig"], 64), journal_message(vault_id, signed_part(line)))

    for i, line in enumerate(lines):
        entry = read_line(line)
        said = entry["event"]
        kind = said["kind"]
        if kind in ("opened", "gap"):
            check(kind == "gap" or i == 0, "contradiction")
            vault_id = vault_id or bytes.fromhex(said["vault"])
            check(bytes.fromhex(said["vault"]) == vault_id, "other_vault")
            check(kind == "gap" or said["public_key"] == key_text(public_key), "other_vault")
        check(vault_id, "dropped" if entry["n"] > 1 else "form")
        check(signed(line), "changed")
        if kind == "gap":
            check(said["from"] <= said["to"] == entry["n"] - 1, "contradiction")
            n, before = said["from"], unb64(said["after"], 32)
        else:
            n, before = entry["n"], unb64(entry["prev"], 32)
        check(n >= last[0] + 1, "reordered")
        if n > last[0] + 1:
            later = any(read_line(other)["n"] == last[0] + 1 and signed(other) for other in lines[i + 1 :])
            raise Refused("reordered" if later else "dropped")
        check(before == last[1], "spliced")
        last = entry["n"], line_hash(line)
        hashes[last[0]] = last[1]
    if head:
        n, hash_of = read_head(head, vault_id, public_key)
        check(n <= last[0], "cut_off")
        check(hashes.get(n, hash_of) == hash_of, "other_history")
    return last[0]


def until(value):
    reason(value)  # a time is one, too


RECEIPT = [
    ("format", lambda value: number(value, 1)), ("vault", vault), ("public_key", key), ("whose", whose), ("salt", hash_),
    ("commitment", hash_), ("numbers", numbers), ("shredded_before?", lambda value: (check(value != [], "form"), numbers(value))),
    ("purposes", lambda value: check(value == "all", "form") if isinstance(value, str) else list_of(label)(value)),
    ("why?", reason), ("requested_at?", time), ("shredded_at", time), ("generation", number),
    ("effective_everywhere_at", time),
    ("entries", list_of(lambda value: members(value, [("n", number), ("hash", hash_)], False))),
    ("may_remain", list_of(lambda value: members(value, [("what", reason), ("until", until)], False))),
]


def committed(receipt):
    return b"oubliette/1/whose" + unb64(receipt["salt"], 32) + receipt["whose"].encode()


def receipt_message(receipt):
    # All names are ASCII, so that the order of Python's strings is that of RFC 8785.
    return b"oubliette/1/receipt" + compact(receipt, sort_keys=True).encode()


def check_receipt(document, public_key):
    check(len(document.encode()) <= DOCUMENT, "form")
    told = parse(document)
    check(isinstance(told, dict) and isinstance(told.get("receipt"), dict), "form")
    receipt = told["receipt"]
    version = receipt.get("format")
    check(not (type(version) is int and version > 1), "newer_format")
    members(told, [("receipt", lambda value: members(value, RECEIPT, False)), ("sig", lambda value: unb64(value, 64))], False)
    check(receipt["public_key"] == key_text(public_key), "other_key")
    check(is_signed(public_key, unb64(told["sig"], 64), receipt_message(receipt)), "changed")
    check(sha256(committed(receipt)).digest() == unb64(receipt["commitment"], 32), "commitment")
    return receipt


# ---- 11: the vectors

compared = Counter()


def same(where, what, expected, found):
    compared[where] += 1
    if expected != found:
        sys.exit(f"{where}, {what}: expected {expected!r:.200}, found {found!r:.200}")


def refusal(call):
    """None if there is none."""
    try:
        call()
    except Refused as refused:
        return str(refused)
    return None


def unhex(text):
    return None if text is None else bytes.fromhex(text)


def plain(value):
    """As in the vectors: bytes in hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    return [plain(member) for member in value] if isinstance(value, list) else value


def check_derivation(all_of, eq):
    for tree in all_of["trees"]:
        for customer in tree["customers"]:
            key = unhex(tree["seed"])
            eq("path", customer["path"], path(customer["number"]).hex())
            eq("levels", 5, len(customer["steps"]))
            for level, (byte, step) in enumerate(zip(path(customer["number"]), customer["steps"]), 1):
                key = child(key, unhex(tree["tree"]), level, byte)
                eq("level and byte", (step["level"], step["byte"]), (level, byte))
                eq("child info", step["info"], child_info(unhex(tree["tree"]), level, byte).hex())
                eq("child", step["key"], key.hex())
    for field in all_of["fields"]:
        eq("field info", field["info"], field_info(field["label"], field["type_tag"]).hex())
        keys = field_keys(unhex(field["customer_key"]), field["label"], field["type_tag"])
        eq("field keys", [field["aes_key"], field["commitment"]], plain(list(keys)))
    for page in all_of["pages"]:
        eq("page info", page["info"], b"oubliette/1/page".hex())
        eq("page keys", [page["aes_key"], page["name"]], plain(list(page_keys(unhex(page["page_key"])))))
    for record in all_of["records"]:
        salt, vault = unhex(record["salt"]), unhex(record["vault"])
        eq("record info", record["info"], record_info(salt, vault).hex())
        keys = record_keys(unhex(record["root_secret"]), salt, vault)
        eq("record keys", [record["aes_key"], record["commitment"]], plain(list(keys)))
    for case in all_of["marks"]:
        vault, generation = unhex(case["vault"]), case["generation"]
        eq("mark info", case["info"], (b"oubliette/1/mark" + vault + u(8, generation) + u(1, case["copy"])).hex())
        eq("mark", case["proof"], mark_proof(unhex(case["signer"]), vault, generation, case["copy"]).hex())
    for case in all_of["series"]:
        fresh = unhex(case["fresh"])
        name = fresh + sha256(b"oubliette/1/series" + unhex(case["vault"]) + fresh).digest()[:8]
        eq("series", case["series"], name.hex())
    for case in all_of["passphrases"]:
        normal = unicodedata.normalize("NFC", case["passphrase"]).encode()
        eq("passphrase", case["passphrase_bytes"], normal.hex())
        if hash_secret_raw:
            recipe = case | {"kind": 1, "salt": unhex(case["salt"])}
            eq("root secret", case["root_secret"], root_secret(case["passphrase"], recipe).hex())


def open_alone(case, sealed):
    """Opens without a record, as the vectors of section 4 do."""
    tree, _ = read_header(sealed, case["customer"])
    check(tree == unhex(case["tree"]), "other_tree")
    tag = case["type_tag"]
    content = unpad(decrypt_sealed(sealed, unhex(case["customer_key"]), case["label"], tag, unhex(case["context"])))
    return content


def check_sealed(all_of, eq):
    for case in all_of["values"]:
        key, label, tag, context = unhex(case["customer_key"]), case["label"], case["type_tag"], unhex(case["context"])
        witness = u(5, case["generation"]) + unhex(case["record_id"])
        content, sealed = unhex(case["content"]), unhex(case["sealed"])
        eq("info", case["info"], field_info(label, tag).hex())
        eq("keys", [case["aes_key"], case["commitment"]], plain(list(field_keys(key, label, tag))))
        eq("padded", case["padded"], pad(content, case["step"]).hex())
        first = b"\xf9" if case["in_copy"] else b"\xf8"
        eq("associated data", case["associated_data"], sealed_data(witness, context, first).hex())
        made = seal(
            unhex(case["tree"]), case["customer"], key, label, tag, case["step"], context, content, witness,
            unhex(case["nonce"]), first,
        )
        eq("ciphertext", case["ciphertext"], made[66:-16].hex())
        eq("tag", case["tag"], made[-16:].hex())
        eq("sealed", case["sealed"], made.hex())
        eq("text", case["text"], to_text(made))
        eq("text, read", sealed, from_text(case["text"]))
        eq("opened", content, open_alone(case, sealed))
    for case in all_of["refused"]:
        eq(case["what"], case["error"], refusal(lambda: open_alone(case, unhex(case["sealed"]))))
    for case in all_of["refused_texts"]:
        eq(case["what"], case["error"], refusal(lambda: from_text(case["text"])))


def check_group(all_of, eq):
    values = []
    for case in all_of["groups"]:
        members = [(member["label"], member["type_tag"], unhex(member["content"])) for member in case["members"]]
        content = unhex(case["value"]["content"])
        eq("encoded", content, encode_group(reversed(members)))
        eq("members", members, decode_group(content))
        eq("label and tag", ("contact", "obl.group", 64), tuple(case["value"][n] for n in ("label", "type_tag", "step")))
        values.append(case["value"])
    check_sealed({"values": values, "refused": [], "refused_texts": []}, eq)
    for case in all_of["refused"]:
        eq(case["what"], case["error"], refusal(lambda: decode_group(unhex(case["content"]))))


def check_page(all_of, eq):
    for case in all_of["pages"]:
        vault, tree, level = unhex(case["vault"]), unhex(case["tree"]), case["level"]
        position, generation = unhex(case["prefix"])[:level], case["generation"]
        entries = [(KEY, child(unhex(case["expanded_from"]), tree, level + 1, b)) for b in range(256)]
        opened, _ = open_page(
            unhex(case["page_key"]), vault, tree, level, position, unhex(case["stored"]), generation
        )
        for b in case["pages"]:
            entries[b] = opened[b]  # the keys of the pages below are made up: those of the plaintext stand
            eq("a page below", PAGE_KEY, opened[b][0])
        for b in case["shredded"]:
            entries[b] = SHREDDED, bytes(32)
        eq("entries", entries, opened)
        eq("plaintext", case["plaintext"], page_plaintext(entries).hex())
        eq("associated data", case["associated_data"], page_data(vault, tree, level, position, generation).hex())
        made = make_page(vault, tree, level, position, generation, entries, unhex(case["fresh"]))
        eq("page", [case["page_key"], case["page_name"], case["stored"]], plain(list(made)))
        eq("AES key", case["aes_key"], page_keys(made[0])[0].hex())
        eq("tag", case["tag"], made[2][-16:].hex())

    def opening(case, stored, newest):
        position = unhex(case["prefix"])[: case["level"]]
        where = unhex(case["vault"]), unhex(case["tree"]), case["level"], position
        return refusal(lambda: open_page(unhex(case["page_key"]), *where, stored, newest))

    for case in all_of["changed"]:
        page = all_of["pages"][case["page"]]
        stored, offset, other = unhex(page["stored"]), case["offset"], unhex(case["bytes"])
        changed = stored[:offset] + other + stored[offset + len(other) :]
        eq(case["what"], case["error"], opening(page, changed, case["newest"]))
    for case in all_of["refused"]:
        eq(case["what"], case["error"], opening(case, unhex(case["stored"]), case["newest"]))


def check_record(all_of, eq):
    for case in all_of["records"]:
        record, secret = unhex(case["record"]), unhex(case["root_secret"])
        clear, content = open_record(record, lambda _: secret)
        eq("clear part", case["clear"], plain(clear))
        eq("content", case["content"], plain(content))
        eq("clear bytes", case["clear_bytes"], encode_clear(clear).hex())
        eq("body", case["body"], encode_body(content).hex())
        made = make_record(secret, clear, content, unhex(case["fresh"]))
        eq("salt", case["salt"], made[600:632].hex())
        eq("info", case["info"], record_info(made[600:632], clear["vault"]).hex())
        keys = record_keys(secret, made[600:632], clear["vault"])
        eq("keys", [case["aes_key"], case["commitment"]], plain(list(keys)))
        eq("associated data", case["associated_data"], made[:664].hex())
        eq("tag", case["tag"], made[-16:].hex())
        eq("record", case["record"], made.hex())
    for case in all_of["refused"]:
        secret = unhex(case["root_secret"])
        eq(case["what"], case["error"], refusal(lambda: open_record(unhex(case["record"]), lambda _: secret)))
    for costs in all_of["refused_costs"]:
        eq(f"costs {costs}", False, costs_allowed(costs))


def check_vault(all_of, eq):
    secret = unhex(all_of["root_secret"])
    clear, content = open_record(unhex(all_of["record"]), lambda recipe: root_secret(secret, recipe))
    vault = Vault(clear, content, {unhex(page["name"]): unhex(page["bytes"]) for page in all_of["pages"]})
    for case in all_of["values"]:
        found = []
        error = refusal(
            lambda: found.append(
                vault.open(
                    case["customer"], case["purpose"], case["label"], case["type_tag"], unhex(case["context"]),
                    unhex(case["sealed"]),
                )
            )
        )
        eq(case["what"], (case["content"], case["error"]), (found[0].hex() if found else None, error))


def check_index(all_of, eq):
    for case in all_of["tokens"]:
        parts = [case["purpose"], case["field"], case["type_tag"], case["index"]]
        name = b"".join(short(part) for part in parts) + u(2, case["bits"])
        eq("index name", case["name"], name.hex())
        place = bytearray(sha256(b"oubliette/1/place-of-index" + name).digest()[:4])
        place[0] |= 0x80
        eq("place", case["place"], place.hex())
        key = unhex(all_of["seed"])
        for level, byte in enumerate(bytes(place) + u(1, case["epoch"]), 1):
            key = child(key, unhex(all_of["tree"]), level, byte)
        eq("epoch key", case["epoch_key"], key.hex())
        key = expand(key, b"oubliette/1/index" + name, 32)
        eq("index key", case["index_key"], key.hex())
        full = mac(key, unhex(case["canonical"]))
        eq("mac", case["mac"], full.hex())
        kept = int.from_bytes(full, "big") >> (256 - case["bits"]) << (256 - case["bits"])
        eq("token", case["token"], (u(1, case["epoch"]) + u(32, kept)[: (case["bits"] + 7) // 8]).hex())
    for case in all_of["records"]:
        clear, content = open_record(unhex(case["record"]), lambda recipe: unhex(case["root_secret"]))
        eq("tree of the indexes", [case["tree"], case["state"]], [content["indexes"]["tree"].hex(), content["indexes"]["state"]])
        eq("body", encode_body(content), encode_body(decode_body(encode_body(content), clear)))


def check_signer(all_of, eq):
    for case in all_of["records"]:
        clear, content = open_record(unhex(case["record"]), lambda recipe: unhex(case["root_secret"]))
        eq("signer and anchor", [case["signer"], case["anchor"]], [content["signer"].hex(), plain(content.get("anchor"))])
        eq("body", case["body"], encode_body(content).hex())
    for case in all_of["refused"]:
        open_it = lambda: open_record(unhex(case["record"]), lambda _: unhex(case["root_secret"]))
        eq(case["what"], case["error"], refusal(open_it))


def check_journal(all_of, eq):
    seed, vault_id, public_key = (unhex(all_of[name]) for name in ("seed", "vault", "public_key"))
    eq("public key", public_key, Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())
    eq("public key as text", all_of["public_key_text"], key_text(public_key))
    for case in all_of["entries"]:
        entry = read_line(case["line"])
        eq("number", case["n"], entry["n"])
        eq("signed", case["signed"], signed_part(case["line"]).decode())
        eq("message", case["message"], journal_message(vault_id, case["signed"].encode()).hex())
        eq("signature", case["signature"], unb64(entry["sig"], 64).hex())
        eq("line", case["line"], make_line(seed, vault_id, entry))
        eq("hash", case["hash"], line_hash(case["line"]).hex())
    eq("kinds", set(KINDS), {parse(case["line"])["event"]["kind"] for case in all_of["entries"]})
    eq("entries", all_of["entries"][-1]["n"], check_lines([case["line"] for case in all_of["entries"]], None, public_key))
    for case in all_of["heads"]:
        eq("head", (case["n"], unhex(case["hash"])), read_head(case["line"], vault_id, public_key))
        eq("message", case["message"], head_message(vault_id, case["line"].encode()[:-96]).hex())
        eq("head", case["line"], make_head(seed, vault_id, case["n"], unhex(case["hash"])))
        eq("signature", case["signature"], unb64(parse(case["line"])["sig"], 64).hex())
    for case in all_of["journals"]:
        eq(case["what"], case["error"], refusal(lambda: check_lines(case["lines"], case["head"], public_key)))
    for case in all_of["refused_lines"]:
        eq(case["what"], "form", refusal(lambda: read_line(case["line"])))
    for case in all_of["receipts"]:
        receipt = check_receipt(case["document"], public_key)
        eq("committed", case["committed"], committed(receipt).hex())
        eq("salt", case["salt"], unb64(receipt["salt"], 32).hex())
        eq("commitment", case["commitment"], sha256(committed(receipt)).hexdigest())
        message = receipt_message(receipt)
        eq("message", case["message"], message.hex())
        eq("canonical", b"oubliette/1/receipt" + case["canonical"].encode(), message)
        eq("signature", case["signature"], Ed25519PrivateKey.from_private_bytes(seed).sign(message).hex())
    for case in all_of["refused_receipts"]:
        eq(case["what"], case["error"], refusal(lambda: check_receipt(case["document"], public_key)))


def check_personal(all_of, eq):
    for kind in all_of["types"]:
        tag = kind["type_tag"]
        eq("step", kind["step"], STEPS[tag])
        for case in kind["values"]:
            content = unhex(case["content"])
            eq("content", content, encode(tag, decode(tag, content)))
            eq("padded", case["padded"], pad(content, kind["step"]).hex())
            eq("unpadded", content, unpad(unhex(case["padded"])))
            eq(f"canonical form of {case['typed']!r}", case["canonical"], canonical(tag, content).encode().hex())
        for content in kind["refused"]:
            eq(f"no {kind['type']}", "invalid_content", refusal(lambda: decode(tag, unhex(content))))


# For these domains the standard library, which has IDNA 2003 only, says something else than UTS #46.
OTHER_IDNA = ("\u200c", "fa\u00df", "\u200d")


def check_canonical(tag):
    def check_forms(all_of, eq):
        for case in all_of["forms"]:
            content = unhex(case["content"])
            what = case["typed"]
            if tag == "obl.email" and any(part in what.rpartition("@")[2] for part in OTHER_IDNA):
                continue
            eq(f"canonical form of {what!r}", case["canonical"], canonical(tag, content).encode().hex())
            if "wide" in case:
                eq(f"wide form of {what!r}", case["wide"], canonical(tag, content, wide=True).encode().hex())

    return check_forms


def vectors(*directories):
    checks = {
        "canonical-address.json": check_canonical("obl.address"),
        "canonical-email.json": check_canonical("obl.email"),
        "canonical-name.json": check_canonical("obl.name"),
        "derivation.json": check_derivation,
        "sealed.json": check_sealed,
        "group.json": check_group,
        "index.json": check_index,
        "journal.json": check_journal,
        "page.json": check_page,
        "record.json": check_record,
        "signer.json": check_signer,
        "vault.json": check_vault,
        "personal.json": check_personal,
    }
    files = {file.name: file for directory in directories for file in directory.glob("*.json")}
    same("tests/vectors", "files", sorted(checks), sorted(files))
    for name, of_file in checks.items():
        of_file(json.loads(files[name].read_text()), lambda *args: same(name, *args))
        if not compared[name]:
            sys.exit(f"{name}: nothing was compared")


# ---- Both ways with the crate


def root_key_of(told):
    return unhex(told["bytes"]) if "bytes" in told else told["passphrase"]


def open_case(vault, case):
    """As the Rust test tells it: an error, or the plaintext as a text."""
    tag, sealed = case["type_tag"], from_text(case["sealed"])
    found = []
    error = refusal(
        lambda: found.append(
            vault.open(case["customer"], case["purpose"], case["label"], tag, unhex(case["context"]), sealed)
        )
    )
    return error or decode(tag, found[0]), found[0] if found else None


def read_theirs(directory, told):
    root_key = root_key_of(told["root_key"])
    for store in told["stores"]:
        vault = read_store([directory / place for place in store], root_key, told)
    for case in told["seal"]:
        content = encode(case["type_tag"], case["text"])
        # The newest record that this reader knows, where a writer would take an older one: as strict as it can be.
        witness = u(5, vault.generation) + vault.clear["id"][:3] if case["witness"] else bytes(8)
        sealed = vault.seal(
            case["customer"], case["purpose"], case["label"], case["type_tag"], case["step"], unhex(case["context"]),
            content, witness,
        )
        yield case | {"sealed": to_text(sealed)}


def read_store(at, root_key, told):
    vault, places = read_vault(at, root_key)
    same("their vault", "generation", told["generation"], vault.generation)
    same("their vault", "issued", True, vault.content["next_number"] > max(told["customers"]))
    same("their vault", "places", True, {place.id for place in places} <= set(vault.content["places"]))
    for place in places:
        proof = mark_proof(vault.content["signer"], vault.clear["vault"], vault.generation, 0)
        same("their vault", "mark", (vault.generation, vault.clear["vault"], proof), place.mark)
        same("their vault", "copies", 2, len(place.copies))
        same("their vault", "superseded", True, set(place.superseded) <= set(place.batches))
    old = root_key_of(told["old_root_key"])
    same("their vault", "old root key", "wrong_root_key", refusal(lambda: read_vault(at, old)))
    for purpose, shredded in told["shredded"].items():
        tree = vault.active(purpose)
        same("their shredded", purpose, shredded, [n for n in told["customers"] if vault.is_shredded(tree, n)])
        same("their shredded", f"number of {purpose}", len(shredded), tree["shredded"])
    for case in told["values"]:
        found, content = open_case(vault, case)
        same("their values", case["what"], case["error"] or case["text"], found)
        if content is not None:
            same("their values", "content", encode(case["type_tag"], case["text"]), content)
            padded = len(pad(content, case["step"]))
            same("their values", "size", len(from_text(case["sealed"])), 82 + padded)
    return vault


def make_vault(at, root_key, recipe, fields, second):
    """A vault of three records: the first, and one for each of two shreds. `second`: which one its second slot holds."""
    secret, place, vault_id = root_secret(root_key, recipe), os.urandom(8), os.urandom(16)
    seed = lambda purpose: {
        "tree": os.urandom(8), "active": 1, "state": "seed", "purpose": purpose, "key": os.urandom(32), "shredded": 0,
        "made": 1,
    }
    clear = {"vault": vault_id, "id": os.urandom(16), "parent": bytes(16), "generation": 1, "recipe": recipe}
    content = {
        "next_number": 100_001, "newest_block": 99_001, "lease_ms": 1000, "shredded_through": 0, "floor": 0, "settled": 0,
        "gone_back": None, "alarm": None, "signer": os.urandom(32), "places": [place], "trees": [seed("orders"), seed("newsletter")], "ring": [clear["id"][:3]],
    }
    vault = Vault(clear, content, {})
    customers = [1, 2, 3, 255, 256, 511, 512, 700, 65_535, 65_536, 65_537, 99_999, 100_000]
    values, records, batches = [], [], []
    for purpose, label, tag, step, text in fields:
        for number in customers:
            context = None if number % 2 else b"row %d" % number
            witness = bytes(8) if number % 3 == 0 else u(5, 1) + clear["id"][:3]
            sealed = vault.seal(number, purpose, label, tag, step, context, encode(tag, text), witness)
            values.append(
                {"customer": number, "purpose": purpose, "label": label, "type_tag": tag, "text": text}
                | {"context": plain(context), "sealed": to_text(sealed)}
            )
    # A leaf in part, a leaf whole, an inner node in part; then again, over pages that are there.
    shreds = [([2, *range(256, 512), 65_536], ["orders"]), ([3, 100_000, 256], ["orders", "newsletter"])]
    records.append(make_record(secret, clear, content))
    for numbers, purposes in shreds:
        clear = clear | {"id": os.urandom(16), "parent": clear["id"], "generation": clear["generation"] + 1}
        batch = {}
        for tree in content["trees"]:
            if tree["purpose"] in purposes:
                batch |= vault.shred(tree, numbers, clear["generation"])
        content["ring"] = [clear["id"][:3], *content["ring"]]
        content["settled"] = clear["generation"] - 1
        batches.append((clear["generation"], batch))
        vault = Vault(clear, content, vault.pages | batch)
        records.append(make_record(secret, clear, content))
    slots = [records[-1], None if second is None else records[second]]
    write_place(at, place, slots, content["signer"], vault_id, clear["generation"], batches)

    ours, _ = read_vault([at], root_key)
    for case in values:
        tree = ours.active(case["purpose"])
        case["error"] = "shredded" if ours.is_shredded(tree, case["customer"]) else None
        same("our vaults", "own value", case["error"] or case["text"], open_case(ours, case)[0])
    shredded = {tree["purpose"]: tree["shredded"] for tree in content["trees"]}
    return {"generation": clear["generation"], "issued": 100_000, "shredded": shredded, "values": values}


def exchange(directory):
    told = json.loads((directory / "theirs.json").read_text())
    can = lambda theirs: hash_secret_raw or "bytes" in theirs["root_key"]
    sealed = [list(read_theirs(directory, theirs)) if can(theirs) else None for theirs in told["vaults"]]
    ours = {"sealed": sealed, "vaults": []}
    fields = [
        ("orders", "email", "obl.email", 64, "zoë@example.com"),
        ("orders", "address", "obl.address", 128, "FR\n12 rue de l’Église\n75002 Paris"),
        ("orders", "preferences", "app.preferences", 256, '{"colour":"blue","size":3}'),
        ("newsletter", "note", "obl.text", 256, "x" * 600),
        ("newsletter", "prénom", "obl.name", 96, "Zoë"),
        ("newsletter", "phone", "obl.phone", 32, "+33612345678;ext=12"),
    ]
    # Both slots the same; one that an update did not reach; one that nothing was written to.
    keys = [({"bytes": os.urandom(32).hex()}, {"kind": 0}, second) for second in (-1, -2, None)]
    if hash_secret_raw:
        costs = {"memory_kib": 8192, "passes": 1, "lanes": 2, "salt": os.urandom(16)}
        keys.append(({"passphrase": "pa\u0302te\u0301 et six mots"}, {"kind": 1} | costs, -1))
    for number, (root_key, recipe, second) in enumerate(keys):
        made = make_vault(directory / f"ours-{number}", root_key_of(root_key), recipe, fields, second)
        ours["vaults"].append(made | {"place": f"ours-{number}", "root_key": root_key})
    (directory / "ours.json").write_text(json.dumps(ours))


# ---- Every character


def characters(file):
    """Compares the forms of a list of names, one JSON array each, whose characters this Unicode knows."""
    with file.open() as lines:
        for line in lines:
            text, exact, wide = json.loads(line)
            if all(unicodedata.category(c) != "Cn" for c in text):
                same("every character", f"canonical form of {text!r}", exact, folded(text))
                same("every character", f"wide form of {text!r}", wide, widened(exact))


def main():
    command, directories = sys.argv[1], map(Path, sys.argv[2:])
    {"vectors": vectors, "exchange": exchange, "characters": characters}[command](*directories)
    if not hash_secret_raw:
        print("argon2-cffi is not installed: no passphrase was tried")
    for what, count in compared.items():
        print(f"{what}: {count} compared")
    if not compared:
        sys.exit("nothing was compared")


if __name__ == "__main__":
    main()
