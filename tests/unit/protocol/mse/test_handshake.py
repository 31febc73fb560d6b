"""The handshake of message stream encryption, each side against a plain transcript of what has to be sent, and against
the other."""

from __future__ import annotations

from hashlib import sha1
from random import Random

import pytest

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.mse.handshake import MAX_HELLO, Initiator, Method, Responder, Secrets
from blobtorrent.protocol.mse.keys import torrent_mark

P = int("ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd"
        "ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563", 16)
A, B = bytes(range(20)), bytes(range(100, 120))            # private keys
TORRENT = b"T" * 20
HELLO = b"\x13BitTorrent protocol" + bytes(48)
BOTH = Method.PLAINTEXT | Method.RC4
SIZES = [0, 1, 2, 255, 511, 512]


class Rc4:
    """As in the textbook, behind 1024 bytes of its stream."""

    def __init__(self, *words):
        key, self.s, self.i, self.j = sha1(b"".join(words)).digest(), list(range(256)), 0, 0
        j = 0
        for i in range(256):
            j = (j + self.s[i] + key[i % 20]) % 256
            self.s[i], self.s[j] = self.s[j], self.s[i]
        self(bytes(1024))

    def __call__(self, text):
        out = []
        for byte in text:
            self.i = (self.i + 1) % 256
            self.j = (self.j + self.s[self.i]) % 256
            self.s[self.i], self.s[self.j] = self.s[self.j], self.s[self.i]
            out.append(byte ^ self.s[(self.s[self.i] + self.s[self.j]) % 256])
        return bytes(out)


def power(base, secret):
    return pow(base, int.from_bytes(secret, "big"), P).to_bytes(96, "big")


YA, YB = power(2, A), power(2, B)
S = power(int.from_bytes(YB, "big"), A)


def xor(one, other):
    return bytes(a ^ b for a, b in zip(one, other))


def number(value, size):
    return value.to_bytes(size, "big")


def from_dialler(*, pad=b"", offer=3, inner=0, hello=HELLO, check=bytes(8), torrent=TORRENT, length=None):
    """What the dialling side says, whole, and its cipher for what follows."""
    cipher = Rc4(b"keyA", S, torrent)
    said = cipher(check + number(offer, 4) + number(inner, 2) + bytes(min(inner, 600))
                  + number(len(hello) if length is None else length, 2) + hello)
    return YA + pad + sha1(b"req1" + S).digest() + xor(
        sha1(b"req2" + torrent).digest(), sha1(b"req3" + S).digest()) + said, cipher


def from_dialled(*, pad=b"", choice=2, inner=0, check=bytes(8)):
    """The same of the side that was dialled."""
    cipher = Rc4(b"keyB", S, TORRENT)
    return YB + pad + cipher(check + number(choice, 4) + number(inner, 2) + bytes(min(inner, 600))), cipher


def initiator(offer=BOTH, pad=b"", inner=0, hello=HELLO, exponent=A, torrent=TORRENT):
    return Initiator(torrent, offer, hello, Secrets(exponent, pad, inner))


def responder(accepted=BOTH, pad=b"", inner=0, prefers_rc4=False, exponent=B, torrents=(TORRENT,)):
    return Responder({torrent_mark(torrent): torrent for torrent in torrents}.get, accepted,
                     Secrets(exponent, pad, inner), prefers_rc4=prefers_rc4)


def fed(side, stream, sizes):
    """What it says to a stream that comes in pieces of these sizes, and then a last one."""
    out, at = b"", 0
    for size in sizes:
        if not side.is_done:
            out += side.feed(stream[at:at + size])
            at += size
    return out if side.is_done else out + side.feed(stream[at:])


@pytest.mark.parametrize("pad", SIZES)
@pytest.mark.parametrize("inner", [0, 512])
def test_the_side_that_dials_says_what_it_has_to(pad, inner):
    side = initiator(Method.RC4, bytes(pad), inner)
    said = side.begin()
    expected, outgoing = from_dialler(pad=bytes(pad), offer=2, inner=inner)
    stream, incoming = from_dialled(pad=b"#" * pad, inner=inner)
    said += side.feed(stream + incoming(b"early"))
    assert said == expected
    assert side.is_done and side.method is Method.RC4 and side.early == b"early"
    agreed = side.obfuscation
    assert agreed.outgoing.update(b"more") == outgoing(b"more")
    assert agreed.incoming.update(incoming(b"and more")) == b"and more"


@pytest.mark.parametrize("pad", SIZES)
@pytest.mark.parametrize("inner", [0, 512])
def test_the_side_that_is_dialled_says_what_it_has_to(pad, inner):
    side = responder(Method.RC4, bytes(pad), inner)
    stream, incoming = from_dialler(pad=b"#" * pad, inner=inner)
    said = side.feed(stream + incoming(b"early"))
    expected, outgoing = from_dialled(pad=bytes(pad), inner=inner)
    assert said == expected
    assert side.is_done and side.skey == TORRENT and side.early == HELLO + b"early"
    agreed = side.obfuscation
    assert agreed.outgoing.update(b"more") == outgoing(b"more")
    assert agreed.incoming.update(incoming(b"and more")) == b"and more"


@pytest.mark.parametrize("pad", [0, 37])
def test_wherever_the_stream_is_cut_the_side_that_dials_says_the_same(pad):
    stream, incoming = from_dialled(pad=b"#" * pad, inner=5)
    expected, _ = from_dialler()
    for cut in range(1, len(stream)):
        side = initiator()
        assert side.begin() + fed(side, stream, [cut]) == expected
        assert side.is_done and side.early == b""


@pytest.mark.parametrize("pad", [0, 37])
def test_wherever_the_stream_is_cut_the_side_that_is_dialled_says_the_same(pad):
    stream, _ = from_dialler(pad=b"#" * pad, inner=5)
    expected, _ = from_dialled(choice=1)
    for cut in range(1, len(stream)):
        side = responder()
        assert fed(side, stream, [cut]) == expected
        assert side.is_done and side.early == HELLO


def test_a_stream_may_come_byte_by_byte():
    stream, _ = from_dialler(pad=b"#" * 512, inner=512)
    side = responder()
    assert fed(side, stream, [1] * len(stream)) == from_dialled(choice=1)[0]
    stream, _ = from_dialled(pad=b"#" * 512, inner=512, choice=1)
    side = initiator()
    side.begin()
    fed(side, stream, [1] * len(stream))
    assert side.is_done and side.method is Method.PLAINTEXT


def test_a_greeting_that_is_held_back_until_the_choice_was_made_may_come_later():
    stream, cipher = from_dialler(hello=b"", offer=2)
    side = responder()
    assert side.feed(stream) == from_dialled()[0]
    assert side.is_done and side.early == b""
    assert side.obfuscation.incoming.update(cipher(HELLO)) == HELLO


def test_behind_the_choice_of_a_plain_stream_nothing_is_enciphered():
    dialling, dialled = initiator(), responder()
    answer = dialled.feed(dialling.begin() + b"")
    answer += dialled.feed(dialling.feed(answer) + b"plain from A")
    assert dialled.method is Method.PLAINTEXT and dialled.early == HELLO + b"plain from A"
    dialling.feed(answer[96:] + b"plain from B")
    assert dialling.is_done and dialling.early == b"plain from B"
    assert dialling.obfuscation == (Method.PLAINTEXT, None, None) == dialled.obfuscation


METHODS = [Method.PLAINTEXT, Method.RC4, BOTH]


@pytest.mark.parametrize("offer", METHODS)
@pytest.mark.parametrize("accepted", METHODS)
@pytest.mark.parametrize("prefers_rc4", [False, True])
def test_the_sides_agree_where_they_have_a_method_in_common(offer, accepted, prefers_rc4):
    random = Random(int(offer) * 8 + int(accepted) * 2 + prefers_rc4)
    dialling = initiator(offer, random.randbytes(random.randrange(513)), random.randrange(513))
    dialled = responder(accepted, random.randbytes(random.randrange(513)), random.randrange(513), prefers_rc4)
    key = dialled.feed(dialling.begin())
    third = dialling.feed(key)
    if not offer & accepted:
        with pytest.raises(PeerError) as caught:
            dialled.feed(third)
        assert caught.value.code == "encryption.no-common-method"
        return
    dialling.feed(dialled.feed(third))
    assert dialling.is_done and dialled.is_done
    assert dialling.method is dialled.method
    if offer & accepted == BOTH:
        assert dialled.method is (Method.RC4 if prefers_rc4 else Method.PLAINTEXT)
    assert dialled.early == HELLO
    one, other = dialling.obfuscation, dialled.obfuscation
    if dialled.method is Method.RC4:
        for text in (b"x" * 20000, b"y"):
            assert other.incoming.update(one.outgoing.update(text)) == text
            assert one.incoming.update(other.outgoing.update(text)) == text
            assert one.outgoing.update(text) != text
            other.incoming.update(text)


@pytest.mark.parametrize("key", [0, 1, P - 1, P])
@pytest.mark.parametrize("make", [initiator, responder])
def test_degenerate_keys_end_it(make, key):
    side = make()
    if make is initiator:
        side.begin()
    with pytest.raises(PeerError) as caught:
        side.feed(number(key, 96))
    assert caught.value.code == "encryption.bad-key"


def test_nothing_is_said_to_half_a_key():
    side = responder()
    assert side.feed(YA[:95]) == b""
    assert side.feed(YA[95:]) == YB


@pytest.mark.parametrize(("make", "mark_bytes"), [(initiator, 8), (responder, 20)])
def test_a_pad_without_end_ends_it_at_the_first_byte_that_is_too_much(make, mark_bytes):
    side = make()
    if make is initiator:
        side.begin()
    side.feed(YB if make is initiator else YA)
    side.feed(b"#" * (512 + mark_bytes - 1))
    with pytest.raises(PeerError) as caught:
        side.feed(b"#")
    assert caught.value.code == "encryption.no-sync"


@pytest.mark.parametrize(("stream", "code"), [
    (from_dialler(torrent=b"?" * 20), "wire.wrong-torrent"),
    (from_dialler(check=b"\0\0\0\0\0\0\0\1"), "encryption.bad-check"),
    (from_dialler(inner=513), "encryption.bad-pad"),
    (from_dialler(inner=65535), "encryption.bad-pad"),
    (from_dialler(length=MAX_HELLO + 1), "encryption.bad-pad"),
    (from_dialler(offer=0), "encryption.no-common-method"),
    (from_dialler(offer=0x80000004), "encryption.no-common-method"),
])
def test_a_side_that_dials_and_makes_no_sense_is_refused(stream, code):
    side = responder()
    with pytest.raises(PeerError) as caught:
        side.feed(stream[0])
    assert caught.value.code == code


@pytest.mark.parametrize(("stream", "code"), [
    (from_dialled(check=b"\0\0\0\0\0\0\0\1"), "encryption.no-sync"),
    (from_dialled(inner=513), "encryption.bad-pad"),
    (from_dialled(choice=0), "encryption.no-common-method"),
    (from_dialled(choice=3), "encryption.no-common-method"),
    (from_dialled(choice=4), "encryption.no-common-method"),
    (from_dialled(choice=1), "encryption.no-common-method"),
])
def test_a_side_that_is_dialled_and_makes_no_sense_is_refused(stream, code):
    side = initiator(Method.RC4)
    side.begin()
    with pytest.raises(PeerError) as caught:
        side.feed(stream[0] + bytes(600))
    assert caught.value.code == code


def test_an_offer_of_methods_that_do_not_exist_yet_is_no_reason_to_refuse_those_that_do():
    side = responder(prefers_rc4=True)
    side.feed(from_dialler(offer=0xFFFFFFFF)[0])
    assert side.method is Method.RC4


def test_each_wire_form_of_a_torrent_is_found():
    for torrent in (b"1" * 20, b"2" * 20):
        side = responder(torrents=(b"1" * 20, b"2" * 20))
        dialling = initiator(torrent=torrent)
        side.feed(dialling.feed(side.feed(dialling.begin())))
        assert side.skey == torrent


def test_noise_is_refused_and_never_a_bug():
    random = Random(7)
    for _ in range(60):
        for make in (initiator, responder):
            side = make()
            if make is initiator:
                side.begin()
            with pytest.raises(PeerError):
                for _ in range(40):
                    side.feed(random.randbytes(random.randrange(1, 60)))
