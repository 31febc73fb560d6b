import random

from blobtorrent.storage.cache import Reads, SpanCache
from blobtorrent.storage.jobs import Span


def span(number, slots=2):
    return Span(number, 0, 100, list(range(number * 100, number * 100 + slots)))


def test_an_unknown_span_is_not_here():
    assert SpanCache().get((1, 2)) is None


def test_the_least_recently_used_span_goes_first():
    cache = SpanCache()
    for number in range(3):
        cache.put(number, span(number))
    cache.get(0)
    assert cache.evict(1) == [100, 101]
    assert cache.get(1) is None
    assert cache.get(0) is not None


def test_a_pinned_span_stays_until_its_last_pin_goes():
    cache = SpanCache()
    cache.put("a", span(1))
    cache.pin("a")
    cache.pin("a")
    assert cache.evict(99) == []
    cache.unpin("a")
    assert cache.evict(99) == []
    cache.unpin("a")
    assert cache.evict(99) == [100, 101]
    assert len(cache) == 0


def test_eviction_takes_whole_spans_until_it_has_enough():
    cache = SpanCache()
    for number in range(4):
        cache.put(number, span(number, slots=3))
    assert len(cache.evict(4)) == 6
    assert cache.num_slots == 6


def test_no_slot_is_lost_or_doubled():
    rng = random.Random(5)
    cache = SpanCache()
    held, pinned = set(), []
    for step in range(2000):
        choice = rng.random()
        if choice < 0.4:
            fresh = span(step)
            cache.put(step, fresh)
            held |= set(fresh.slots)
        elif choice < 0.6:
            key = rng.randrange(step + 1)
            if cache.get(key) is not None:
                cache.pin(key)
                pinned.append(key)
        elif choice < 0.8 and pinned:
            cache.unpin(pinned.pop(rng.randrange(len(pinned))))
        else:
            gone = cache.evict(rng.randint(1, 8))
            assert set(gone) <= held
            held -= set(gone)
        assert cache.num_slots == len(held)
        assert all(cache.get(key) is not None for key in pinned)


def test_what_comes_is_counted_for_all_caches_together():
    reads = Reads()
    first, second = SpanCache(reads), SpanCache(reads)
    first.put("a", span(1))
    second.put("a", span(2))
    second.put("b", span(3), is_ahead=False)
    assert (reads.ahead, reads.alone) == (2, 1)
