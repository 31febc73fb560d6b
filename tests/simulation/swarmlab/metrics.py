"""What a run showed."""

from __future__ import annotations

from statistics import median, quantiles
from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.swarmlab.players import ALL_BEGIN_AFTER_S

if TYPE_CHECKING:
    from tests.simulation.swarmlab.lab import Lab

CURVE_POINTS = 120


class Result(NamedTuple):
    """A run: a digest of all that was said, measured values by name, and curves, whose points are so far apart."""

    digest: str
    values: dict[str, float]
    curves: dict[str, list[float]]
    step_s: int


def measure(lab: Lab) -> Result:
    """The values of one run; times in seconds. Who is stranded counts with the end of the run."""
    scenario, end = lab.scenario, lab.events.now
    times = sorted((node.completed_at if node.completed_at is not None else end) - node.joined_at
                   for node in lab.leechers)
    stranded = sum(node.completed_at is None for node in lab.leechers)
    waits = [sorted(waits) for node in lab.leechers for _, waits in sorted(node.waits_us.items()) if len(waits) >= 20]
    downloaded = sum(node.swarm.downloaded.total for node in lab.leechers)
    wasted = sum(node.swarm.wasted.total for node in lab.leechers)
    given = [node.uplink.sent_bytes / scenario.size for node in lab.leechers if node.uplink.sent_bytes]
    tails = [node.completed_at - node.nearly_at for node in lab.leechers
             if node.completed_at is not None and node.nearly_at is not None]
    others = [node for node in lab.nodes if node not in lab.seeds[len(lab.seeds) - scenario.liars:]]
    honest_banned = sum(node.swarm.peers.is_banned(other.endpoint, other.peer_id)
                        for node in lab.leechers for other in others if other is not node)
    values = {
        "messages": float(lab.journal.entries),
        "last": times[-1],
        "mean": sum(times) / len(times),
        "p90": times[int(0.9 * (len(times) - 1))],
        "stranded": float(stranded),
        "least copies": sum(lab.lowest_copies) / len(lab.lowest_copies),
        "entropy": sum(lab.entropies) / len(lab.entropies),
        "tail": max(tails, default=end),
        "wasted": wasted / max(1, downloaded),
        "rejected": sum(node.rejected for node in lab.leechers) / max(1, sum(node.asked for node in lab.leechers)),
        "open files": sum(lab.files_in_hand) / max(1, len(lab.files_in_hand)),
        "write runs": sum(node.disk.write_runs for node in lab.leechers) / len(lab.leechers),
        "fairness": sum(given) ** 2 / (len(given) * sum(share * share for share in given)) if given else 1.0,
        "seed copies": lab.copies_until_second if lab.copies_until_second is not None
        else lab.seeds[0].uplink.sent_bytes / scenario.size,
        "outstanding": sum(lab.outstanding) / max(1, len(lab.outstanding)),
        "wait": median(median(each) for each in waits) / 1e6 if waits else 0.0,
        # To the hundredth: nodes look at what came on a grid that is coarser.
        "late wait": round(max(quantiles(each, n=20)[-1] / median(each) for each in waits), 2) if waits else 0.0,
        "link use": scenario.size / times[-1] / sum(scenario.seeds),
        "honest banned": float(honest_banned),
        "liars banned": float(sum(node.swarm.peers.is_banned(liar.endpoint, liar.peer_id) for node in lab.leechers
                                  for liar in lab.seeds[len(lab.seeds) - scenario.liars:])),
    }
    if lab.copies_until_spread is not None:
        values["spread at"] = lab.copies_until_spread
    if lab.players:
        begun = [player.started_after if player.started_after is not None else end for player in lab.players]
        watching = {player.node for player in lab.players}
        rest = [(node.completed_at if node.completed_at is not None else end) - node.joined_at
                for node in lab.leechers if node not in watching]
        values |= {
            "start": sum(begun) / len(begun),
            "stalled": sum(player.stalled_s for player in lab.players) / len(begun),
            "stalled later": sum(
                player.stalled_if_begun_after(ALL_BEGIN_AFTER_S) for player in lab.players) / len(begun),
            "stalls": sum(player.stalls for player in lab.players) / len(begun),
            "mean of others": sum(rest) / len(rest) if rest else 0.0,
        }
    seconds = len(lab.lowest_copies)
    step = max(1, -(-seconds // CURVE_POINTS))
    done = [sum(node.completed_at is not None and node.completed_at <= at for node in lab.leechers)
            for at in range(seconds)]
    curves = {"leechers that have everything": done, "copies of the rarest piece": lab.lowest_copies}
    return Result(lab.journal.hexdigest(), values,
                  {name: [float(value) for value in samples[::step]] for name, samples in curves.items()}, step)
