"""The confidence bound of a sample: an exact limit on the share of customers that differ."""

from math import exp, fsum, lgamma, log, log1p


def at_most(sampled: int, differing: int, confidence: float) -> float:
    """The upper limit on the share of all customers that differ (Clopper-Pearson).

    If none of 300 sampled customers differs, the limit is 1 % at a confidence of 95 %.
    Source: Clopper and Pearson, Biometrika 26 (1934).
    """
    if differing >= sampled:
        return 1.0
    low, high = differing / sampled, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _chance_of_at_most(differing, sampled, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _chance_of_at_most(differing: int, sampled: int, share: float) -> float:
    """The probability that at most `differing` of the sample differ, if this share of all does."""
    if not 0 < share < 1:
        return float(share <= 0)
    chances = (
        lgamma(sampled + 1)
        - lgamma(k + 1)
        - lgamma(sampled - k + 1)
        + k * log(share)
        + (sampled - k) * log1p(-share)
        for k in range(differing + 1)
    )
    return fsum(map(exp, chances))
