"""Every situation is explained, in words that name the next step."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.core.session.explain import explain
from blobtorrent.core.session.history import Step
from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.queueing import QueuePlace
from blobtorrent.core.session.situation import Aims, Limit, Situation
from blobtorrent.core.swarm.messages import Insight
from blobtorrent.model.details import FilesystemStatus, PeerStatus, TrackerStatus, WebSeedStatus
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import SessionStatus, TorrentStatus

NOW, WALL = 1000.0, 1_700_000_000.0
RUNNING = SessionStatus("running", ("0.0.0.0:6881",))
SWARM = Insight(upload_slots=4, addresses_dialled=0, addresses_resting=0, pieces_lacking=5, pieces_unavailable=0,
                waits_for_memory=False)
STATUS = TorrentStatus(InfoHash(v1=bytes(20)), "t", "downloading", size_bytes=1000, num_pieces=10, download_dir="/d")
PEER = PeerStatus(
    host="10.0.0.1", port=6881, peer_id=bytes(20), client="x", source="tracker", transport="tcp", is_encrypted=False,
    is_incoming=False, connected_s=1.0, am_choking=True, am_interested=False, peer_choking=True, peer_interested=False,
    is_optimistic=False, is_snubbed=False, is_seed=False, pieces_had=1, progress=0.25, blocks_asked=0,
    upload_queue_bytes=0, down_bytes_per_s=0, up_bytes_per_s=0, downloaded_bytes=0, uploaded_bytes=0)
GIVER = PEER._replace(am_interested=True, is_seed=True)
TAKER = PEER._replace(peer_interested=True)
TRACKER = TrackerStatus(0, "v1", "http://t.test/?passkey=s", "http://t.test/?passkey=***", "waiting", "0 peers",
                        last_announce_at=WALL - 60, next_announce_at=WALL + 90)


def situation(state=TorrentState.DOWNLOADING, name="downloading", *, status=STATUS, **more):
    fields = {"insight": SWARM, "still_s": 30.0, "trackers": (TRACKER,), **more}
    return Situation(status._replace(state=name), state, fields.pop("session", RUNNING), NOW, WALL, **fields)


def seed(**more):
    status = STATUS._replace(done_bytes=1000)
    return situation(TorrentState.SEEDING, "seeding", status=status, **more)


def codes(of):
    return [cause.code for cause in explain(of).causes]


def first(of):
    return explain(of).causes[0]


# ---- web seeds

def test_what_goes_wrong_with_web_seeds_is_told_without_their_secrets():
    fine = WebSeedStatus("http://u:pw@a.test/", "http://***@a.test/", "idle")
    seeds = (
        fine,
        fine._replace(state="banned", error_code="webseed.bad-piece", result="piece 3 does not match its hash"),
        fine._replace(state="resting", error_code="webseed.busy", result="HTTP status 503", next_try_s=90.0),
        fine._replace(error_code="webseed.no-file", result="HTTP status 404"),
    )
    told = explain(situation(insight=SWARM._replace(web_seeds=seeds)))
    causes = [cause for cause in told.causes if cause.code.startswith("webseed.")]
    assert [cause.code for cause in causes] == ["webseed.banned", "webseed.resting", "webseed.failed"]
    assert "1m30s" in causes[1].advice.replace(" ", "") or "90" in causes[1].advice
    assert "pw" not in json.dumps(told.facts) + str(told.causes)
    assert [seed["state"] for seed in told.facts["swarm"]["web_seeds"]] == ["idle", "banned", "resting", "idle"]


# ---- downloads that do not move

def test_without_anybody_known_every_tracker_says_what_it_answered_last():
    failing = TRACKER._replace(state="backoff", error_code="tracker.refused", result="unregistered torrent", failures=3)
    asked = TRACKER._replace(state="announcing", last_announce_at=0.0)
    spoken = TRACKER._replace(state="disabled")
    found = explain(situation(trackers=(TRACKER, failing, asked, spoken)))
    assert [cause.code for cause in found.causes] == [
        "no-peers", "tracker.answered", "tracker.failed", "tracker.announcing"]
    assert found.summary.startswith("downloading: nobody is known")
    assert "unregistered torrent (tracker.refused)" in found.causes[2].text
    assert "passkey=***" in found.causes[2].text
    assert "1m 30s" in found.causes[2].advice and "see that it knows this torrent" in found.causes[2].advice
    assert found.causes[2].since_s == 60.0


def test_a_tracker_that_is_asked_again_still_says_what_it_answered_last():
    failed = TRACKER._replace(state="announcing", error_code="net.timed-out", result="no answer")
    found = explain(situation(trackers=(failed, TRACKER._replace(state="announcing"))))
    assert [cause.code for cause in found.causes][1:] == ["tracker.failed", "tracker.answered"]
    assert "being asked again now" in found.causes[1].advice


def test_without_trackers_that_is_a_cause():
    assert codes(situation(trackers=())) == ["no-peers", "tracker.none"]
    assert codes(situation(trackers=(TRACKER._replace(state="disabled"),))) == ["no-peers", "tracker.none"]


def test_peers_that_cannot_be_reached_are_counted():
    swarm = SWARM._replace(addresses_dialled=2, addresses_resting=5)
    found = first(situation(status=STATUS._replace(peers_known=7), insight=swarm))
    assert found.code == "no-peers"
    assert "7 addresses known" in found.text and "2 are being tried, 5 could not" in found.text


def test_addresses_that_filter_lists_refuse_are_a_cause():
    found = explain(situation(insight=SWARM._replace(addresses_filtered=3)))
    assert [cause.code for cause in found.causes][:2] == ["no-peers", "peers.filtered"]
    assert "refused addresses of it 3 times" in found.causes[1].text


def test_peers_that_a_transport_would_reach_which_is_off_are_a_cause():
    found = explain(situation(insight=SWARM._replace(addresses_off_limits=2)))
    assert [cause.code for cause in found.causes][:2] == ["no-peers", "transport.off"]
    assert found.causes[1].text.endswith("2 times") and "tcp.enabled" in found.causes[1].advice


def test_peers_that_encryption_kept_away_are_a_cause_of_downloads_and_seeds_alike():
    swarm = SWARM._replace(peers_unencrypted=2, encryption_code="encryption.refused")
    for of in (situation(insight=swarm), seed(insight=swarm), situation(insight=swarm, peers=(PEER,)),
               seed(insight=swarm, peers=(TAKER,))):
        (found,) = [cause for cause in explain(of).causes if cause.code == "encryption.required"]
        assert "2 peers did not encrypt" in found.text and "encryption.mode" in found.advice
    assert "encryption.required" not in codes(situation())


def test_so_is_an_openssl_that_cannot_do_what_is_required():
    swarm = SWARM._replace(peers_unencrypted=1, encryption_code="encryption.unavailable")
    (found,) = [cause for cause in explain(situation(insight=swarm)).causes if cause.code.startswith("encryption.")]
    assert found.code == "encryption.unavailable" and "RC4" in found.text


def test_a_closed_listener_is_told():
    assert "listener.closed" in codes(situation(session=SessionStatus("running")))


def test_peers_that_lack_what_we_lack():
    found = first(situation(peers=(PEER, PEER), insight=SWARM._replace(pieces_unavailable=5)))
    assert (found.code, found.since_s) == ("no-piece-wanted", 30.0)
    assert "none of the 2 connected peers has any of the 5 pieces" in found.text


def test_peers_that_all_choke_us():
    found = first(situation(peers=(GIVER, GIVER, PEER)))
    assert found.code == "all-choked"
    assert "2 peers of 3" in found.text


def test_peers_that_were_asked_and_send_nothing():
    found = first(situation(peers=(GIVER._replace(peer_choking=False, blocks_asked=7), GIVER)))
    assert found.code == "peers.silent"
    assert "7 blocks were asked of 1 peer " in found.text


def test_peers_that_would_give_and_are_asked_for_nothing():
    assert codes(situation(peers=(GIVER._replace(peer_choking=False),))) == ["pieces.busy"]


def test_pieces_that_have_all_come_are_finishing():
    assert codes(situation(peers=(PEER,), insight=SWARM._replace(pieces_lacking=0))) == ["pieces.finishing"]


def test_memory_that_is_short():
    giving = GIVER._replace(peer_choking=False, blocks_asked=1)
    assert codes(situation(peers=(giving,), insight=SWARM._replace(waits_for_memory=True)))[0] == "memory.short"


@pytest.mark.parametrize(("held_by", "code"), [("pause", "paused"), ("space", "space.low"), ("disk", "disk.failed")])
@pytest.mark.parametrize("make", [situation, seed])
def test_what_holds_it_is_the_only_cause(held_by, code, make):
    held = make(held_s=12.0, peers=(GIVER,))
    held = held._replace(status=held.status._replace(held_by=held_by))
    (cause,) = explain(held).causes
    assert (cause.code, cause.since_s) == (code, 12.0)


def test_the_room_that_is_left_is_told():
    room = FilesystemStatus("/data", 1 << 20, 5 << 20, True, WALL)
    held = situation(room=room, status=STATUS._replace(held_by="space"))
    assert "on /data: 1.0 MiB, and 5.0 MiB are to stay free" in first(held).text


LIMITS = (
    Limit("the torrent", "down_limit_bytes_per_s of the torrent", "down", 1000, 950),
    Limit("group tv", "groups.tv.down_bytes_per_s", "down", 5000, 100),
    Limit("all torrents", "limits.up_bytes_per_s", "up", 100, 100),
)


def test_a_limit_that_is_reached_is_told_also_while_bytes_come():
    found = explain(situation(limits=LIMITS, status=STATUS._replace(down_bytes_per_s=950), peers=(GIVER,)))
    (cause,) = found.causes
    assert (cause.code, cause.advice) == ("limit.reached", "raise down_limit_bytes_per_s of the torrent")
    assert found.summary.startswith("downloading at 950 B/s, done in about 1s: 950 B/s of 1000 B/s")


def test_the_limit_of_others_is_told_with_what_the_peers_do():
    assert codes(situation(limits=LIMITS, peers=(GIVER,))) == ["limit.reached", "all-choked"]


def test_a_limit_of_less_than_a_block_a_second_is_told_although_it_looks_unused():
    down = Limit("the torrent", "down_limit_bytes_per_s of the torrent", "down", 100, 0)
    up = down._replace(direction="up")
    giving = GIVER._replace(peer_choking=False)
    assert codes(situation(limits=(down, up), peers=(giving,))) == ["limit.reached", "pieces.busy"]
    assert codes(seed(limits=(down, up), peers=(TAKER._replace(am_choking=False),))) == ["limit.reached", "peers.idle"]
    assert codes(situation(limits=(down,))) == ["no-peers", "tracker.answered"]


def test_a_download_that_moves_without_hindrance_has_no_cause():
    found = explain(situation(status=STATUS._replace(down_bytes_per_s=100), peers=(GIVER,)))
    assert (found.causes, found.summary) == ((), "downloading at 100 B/s, done in about 10s")


def test_one_that_just_began_is_told_as_that():
    assert codes(situation(insight=None)) == ["starting"]


# ---- seeds

def test_a_seed_that_nobody_wants_anything_of():
    assert codes(seed(peers=(PEER,))) == ["nobody-wants"]


def test_a_seed_whose_slots_are_taken_or_that_has_none():
    slow = TAKER._replace(am_choking=False)
    swarm = SWARM._replace(upload_slots=1)
    assert codes(seed(peers=(slow, TAKER), insight=swarm)) == ["slots.full"]
    assert codes(seed(peers=(TAKER,), insight=swarm)) == ["peers.waiting"]
    assert codes(seed(peers=(TAKER,), insight=swarm._replace(upload_slots=0))) == ["slots.none"]
    assert codes(seed(peers=(slow,), insight=swarm)) == ["peers.idle"]


def test_a_seed_whose_slots_are_with_other_torrents():
    slow = TAKER._replace(am_choking=False)
    short = SWARM._replace(upload_slots=1, lacks_slots=True)
    assert codes(seed(peers=(slow, TAKER), insight=short)) == ["slots.shared"]
    assert codes(seed(peers=(TAKER,), insight=short._replace(upload_slots=0))) == ["slots.shared"]
    assert codes(seed(peers=(slow,), insight=short)) == ["peers.idle"]


def test_a_seed_without_peers_and_one_at_its_limit():
    assert codes(seed()) == ["no-peers", "tracker.answered"]
    assert codes(seed(limits=LIMITS, peers=(PEER,))) == ["limit.reached", "nobody-wants"]


# ---- states without a swarm

@pytest.mark.parametrize(("state", "name", "more", "code"), [
    (TorrentState.STOPPED, "stopped", {"should_run": False}, "stopped"),
    (TorrentState.STOPPED, "stopped", {}, "starting"),
    (TorrentState.STOPPED, "stopped", {"is_removing": True}, "removing"),
    (TorrentState.LOADING, "checking", {}, "loading"),
    (TorrentState.WAITING, "checking", {"ahead": 2}, "checking.queued"),
    (TorrentState.HASHING, "checking", {}, "checking"),
    (TorrentState.MOVING, "moving", {}, "moving"),
    (TorrentState.MOVING, "moving", {"is_renaming": True}, "renaming"),
    (TorrentState.CLOSING, "seeding", {}, "closing"),
    (TorrentState.REMOVING, "stopped", {}, "removing"),
    (TorrentState.QUEUED, "queued", {}, "queue.moving"),
])
def test_each_state_has_its_cause(state, name, more, code):
    found = explain(situation(state, name, insight=None, state_s=5.0, **more))
    assert found.causes[0].code == code
    assert found.state == name


def test_a_queued_torrent_knows_its_place():
    place = QueuePlace(is_seed=False, limit=2, running=2, ahead=3, lacks_room=False)
    found = first(situation(TorrentState.QUEUED, "queued", line=place))
    assert found.code == "queue.full"
    assert found.text == "2 downloads run of 2 that may; 3 more wait before it"
    assert "queue.active_downloads" in found.advice
    assert first(situation(TorrentState.QUEUED, "queued", line=place._replace(is_seed=True))).text.startswith("2 seeds")
    assert codes(situation(TorrentState.QUEUED, "queued", line=place._replace(lacks_room=True))) == ["space.low"]


def test_a_seed_that_stopped_because_it_gave_enough():
    aims = Aims(2.0, None, None, ratio_now=2.1, seeding_s=9.0, idle_s_now=1.0, met="a ratio of 2")
    held = STATUS._replace(done_bytes=1000, held_by="goal")
    found = first(situation(TorrentState.STOPPED, "stopped", status=held, should_run=False, aims=aims))
    assert (found.code, found.text) == ("goal.met", "it has given what was asked of it: a ratio of 2")
    idle = aims._replace(met="")       # nobody can take a byte of it while it is stopped
    found = first(situation(TorrentState.STOPPED, "stopped", status=held, should_run=False, aims=idle))
    assert (found.code, found.text) == ("goal.met", "it has given what was asked of it")
    done = held._replace(held_by="")
    assert codes(situation(TorrentState.STOPPED, "stopped", status=done, should_run=False, aims=aims)) == ["stopped"]


@pytest.mark.parametrize("state", [TorrentState.ERROR, TorrentState.STOPPED])
def test_an_error_is_told_by_its_own_code_with_advice(state):
    status = STATUS._replace(error_code="storage.unmounted", error_detail="nothing is mounted on /mnt")
    found = first(situation(state, "error", status=status, should_run=False, state_s=3.0))
    assert (found.code, found.text) == ("storage.unmounted", "nothing is mounted on /mnt")
    assert found.advice == "mount the filesystem, then start it"
    strange = first(situation(state, "error", status=status._replace(error_code="storage.strange")))
    assert "look at the message" in strange.advice


@pytest.mark.parametrize(("state", "code"), [
    ("starting", "session.starting"), ("draining", "session.stopping"), ("stopped", "session.stopping")])
def test_a_daemon_that_is_not_running_is_the_first_cause(state, code):
    found = codes(situation(TorrentState.STOPPED, "stopped", session=SessionStatus(state), should_run=False))
    assert found == [code, "stopped"]


# ---- all of them

def test_facts_are_figures_and_history_that_json_can_hold():
    history = (Step(TorrentState.LOADING, "checking", TorrentEvent.START, NOW - 9.0),
               Step(TorrentState.DOWNLOADING, "downloading", TorrentEvent.LEECH, NOW - 5.0))
    found = explain(situation(peers=(GIVER, TAKER), history=history, limits=LIMITS, room=FilesystemStatus(
        "/d", 1, 2, True, WALL)))
    facts = json.loads(json.dumps(found.facts))
    assert facts["history"] == [
        {"state": "loading", "because": "start", "at": WALL - 9.0},
        {"state": "downloading", "because": "leech", "at": WALL - 5.0},
    ]
    assert facts["peers"]["choke_us"] == 1
    assert facts["trackers"][0]["url"] == "http://t.test/?passkey=***"
    assert "passkey=s" not in json.dumps(facts)


counts = st.integers(0, 5000)
peers = st.builds(
    lambda *flags, asked: PEER._replace(
        am_choking=flags[0], am_interested=flags[1], peer_choking=flags[2], peer_interested=flags[3],
        is_snubbed=flags[4], blocks_asked=asked),
    *[st.booleans()] * 5, asked=counts)
trackers = st.builds(
    lambda state, error, result, at: TRACKER._replace(
        state=state, error_code=error, result=result, next_announce_at=at),
    st.sampled_from(["idle", "announcing", "waiting", "backoff", "disabled"]), st.sampled_from(["", "net.timed-out"]),
    st.text(max_size=5), st.sampled_from([0.0, WALL - 5, WALL + 5]))
insights = st.none() | st.builds(Insight, counts, counts, counts, counts, counts, st.booleans())
NAMES = {state: state.value for state in TorrentState if state.value in (
    "queued", "stopped", "downloading", "seeding", "moving", "error")}


@given(
    state=st.sampled_from([state for state in TorrentState if state not in (
        TorrentState.CHECKING, TorrentState.ACTIVE, TorrentState.BUSY, TorrentState.PRESENT)]),
    status=st.builds(
        lambda held, error, known, done: STATUS._replace(
            held_by=held, error_code=error, peers_known=known, done_bytes=done),
        st.sampled_from(["", "queue", "space", "disk", "pause", "goal"]), st.sampled_from(["", "storage.io"]), counts,
        st.integers(0, 1000)),
    more=st.fixed_dictionaries({
        "peers": st.lists(peers, max_size=4).map(tuple),
        "trackers": st.lists(trackers, max_size=8).map(tuple),
        "insight": insights,
        "should_run": st.booleans(),
        "is_removing": st.booleans(),
        "line": st.none() | st.builds(QueuePlace, st.booleans(), counts, counts, counts, st.booleans()),
        "limits": st.sampled_from([(), LIMITS]),
        "session": st.sampled_from([RUNNING, SessionStatus("running"), SessionStatus("starting")]),
        "state_s": st.none() | st.floats(0, 1e6),
    }),
)
def test_whatever_moves_nothing_has_a_cause_that_names_a_next_step(state, status, more):
    found = explain(situation(state, NAMES.get(state, "checking"), status=status, **more))
    assert found.causes
    assert all(cause.code and cause.text and cause.advice for cause in found.causes)
    assert found.causes[0].text in found.summary
    json.dumps(found.facts, allow_nan=False)
