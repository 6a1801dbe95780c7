"""Exact Shapley values (Shapley 1953) and interactions (Harsanyi 1963).

A game of n players is an array [..., 2 ** n]: the value of each coalition, in the order of ``coalitions``. Leading axes are
separate games (heads, for example).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# 4096 coalitions; more players need sampling.
MOST_PLAYERS = 12


def coalitions(players: int) -> np.ndarray:
    """[2 ** n, n] bool: player j is in coalition i where bit j of i is set; 0 is the empty coalition, the last is the whole.

    >>> coalitions(2).astype(int).tolist()
    [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    if not 0 <= players <= MOST_PLAYERS:
        raise ValueError(f"coalitions are counted of at most {MOST_PLAYERS} players, not {players}")
    return (np.arange(2**players)[:, None] >> np.arange(players) & 1).astype(bool)


def dividends(values: np.ndarray) -> np.ndarray:
    """Harsanyi dividends [..., 2 ** n]: each coalition's value beyond that of all its subsets; they sum to the whole's value.

    Harsanyi 1963. For two players, v(AB) - v(A) - v(B) + v(empty) is their interaction.
    """
    found = np.array(values, float)
    players = int(found.shape[-1]).bit_length() - 1
    if found.shape[-1] != 2**players:
        raise ValueError(f"a game has the values of all coalitions, 2 ** n of them, not {found.shape[-1]}")
    index = np.arange(2**players)
    for player in range(players):
        inside = index[index >> player & 1 == 1]
        found[..., inside] -= found[..., inside ^ (1 << player)]
    return found


def shapley(values: np.ndarray) -> np.ndarray:
    """Each player's mean marginal contribution over all orders, [..., n].

    They sum to the whole's value minus the empty coalition's. Each coalition's dividend is divided equally among its members.
    """
    worth = dividends(values)
    members = coalitions(int(worth.shape[-1]).bit_length() - 1)
    sizes = np.maximum(members.sum(1), 1)
    return worth @ (members / sizes[:, None])


def sampled(worth: Callable[[np.ndarray], np.ndarray], players: int, orders: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Shapley values of many players by sampling orders (Castro et al. 2009), with antithetic reversal (Mitchell et al. 2022).

    Args:
        worth: coalitions [G, n] bool -> their values [H, G].
        orders: number of orders; each evaluates n + 1 coalitions twice, forwards and reversed.

    Returns:
        The values [H, n], which sum exactly, and their standard errors [H, n].
    """
    chance = np.random.default_rng(seed)
    found = []
    for _ in range(orders):
        order = chance.permutation(players)
        pair = [_walked(worth, walk) for walk in (order, order[::-1])]
        found.append(np.mean(pair, 0))
    gains = np.stack(found)
    spread = gains.std(0, ddof=1) / np.sqrt(orders) if orders > 1 else np.full(gains.shape[1:], np.nan)
    return gains.mean(0), spread


def _walked(worth: Callable[[np.ndarray], np.ndarray], order: np.ndarray) -> np.ndarray:
    """[H, n]: each player's marginal contribution in this order."""
    places = np.empty(len(order), int)
    places[order] = np.arange(len(order))
    steps = np.diff(worth(places[None] < np.arange(len(order) + 1)[:, None]), axis=1)
    return steps[:, places]
