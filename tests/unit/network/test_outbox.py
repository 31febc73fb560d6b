"""The outbox: bytes go out in order whatever a send takes, and every token comes back once."""

from __future__ import annotations

import random

import pytest

from blobtorrent.network.outbox import MAX_BUFFERS, MAX_SEND_BYTES, Outbox


def push(outbox, *parts, token=None):
    outbox.push(list(parts), sum(map(len, parts)), token)


def send(outbox, limit):
    """What a socket that takes `limit` bytes would get; and the tokens."""
    data = b"".join(outbox.gather())[:limit]
    return data, outbox.sent(len(data))


def test_an_empty_outbox_is_false():
    outbox = Outbox()
    assert not outbox
    assert outbox.unsent() == ([], 0)
    push(outbox, b"x")
    assert outbox
    assert send(outbox, 1) == (b"x", [])
    assert not outbox


def test_small_batches_go_out_in_one_send():
    outbox = Outbox()
    push(outbox, b"one", token=1)
    push(outbox, b"two", b"three")
    push(outbox, b"four", token=4)
    assert send(outbox, 100) == (b"onetwothreefour", [1, 4])


def test_a_token_comes_with_the_last_byte_of_its_batch():
    outbox = Outbox()
    push(outbox, b"abc", b"def", token="t")
    push(outbox, b"ghi", token="u")
    assert send(outbox, 5) == (b"abcde", [])
    assert outbox.unsent() == (["t", "u"], 5)
    assert send(outbox, 1) == (b"f", ["t"])
    assert outbox.unsent() == (["u"], 0)
    assert send(outbox, 2) == (b"gh", [])
    assert outbox.unsent() == (["u"], 2)
    assert send(outbox, 9) == (b"i", ["u"])


def test_what_went_out_of_a_batch_without_a_token_is_not_counted_for_the_next():
    outbox = Outbox()
    push(outbox, b"abc")
    push(outbox, b"defg", token="t")
    assert send(outbox, 2) == (b"ab", [])
    assert outbox.unsent() == (["t"], 0)
    assert send(outbox, 3) == (b"cde", [])
    assert outbox.unsent() == (["t"], 2)


def test_queued_bytes_are_those_that_are_not_sent():
    outbox = Outbox()
    push(outbox, b"abc", b"def")
    push(outbox, b"gh")
    assert outbox.queued_bytes == 8
    send(outbox, 4)
    assert outbox.queued_bytes == 4


def test_a_send_gets_a_bounded_number_of_buffers_and_about_as_many_bytes_as_pay():
    outbox = Outbox()
    push(outbox, *[b"x"] * (3 * MAX_BUFFERS))
    push(outbox, b"y")
    assert len(outbox.gather()) == MAX_BUFFERS
    big = Outbox()
    for _ in range(3):
        push(big, bytes(MAX_SEND_BYTES))
    assert sum(map(len, big.gather())) == MAX_SEND_BYTES


@pytest.mark.parametrize("seed", range(30))
def test_whatever_a_send_takes_the_bytes_come_out_in_order_and_every_token_once(seed):
    rng = random.Random(seed)
    outbox, expected, got, tokens, lengths = Outbox(), b"", b"", [], []
    for token in range(rng.randrange(1, 40)):
        parts = [rng.randbytes(rng.choice((1, 2, 13, 500))) for _ in range(rng.choice((1, 2, 32, 2 * MAX_BUFFERS)))]
        push(outbox, *parts, token=token)
        expected += b"".join(parts)
        lengths.append(sum(map(len, parts)))
        while outbox and rng.random() < 0.5:
            data, done = send(outbox, rng.choice((1, 13, 14, 600, 10_000, 1 << 20)))
            got += data
            tokens += done
            assert outbox.queued_bytes == len(expected) - len(got)
    rest, part = outbox.unsent()
    assert tokens + rest == list(range(token + 1))
    assert part == len(got) - sum(lengths[:len(tokens)])
    while outbox:
        data, _ = send(outbox, rng.choice((1, 13, 14, 600, 10_000)))
        got += data
    assert got == expected
