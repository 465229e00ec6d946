# SPDX-License-Identifier: Apache-2.0
"""How many of a test's generated cases run: the share in ./check, all of them in ./check --full."""

import os
import random


def share(part, whole):
    """The number of cases to run, printed with what it is a share of."""
    count = whole if os.environ.get("SIGNET_FULL") else part
    print(f"# share: {count} of {whole} cases", flush=True)
    return count


def seed():
    """A generator for the cases, with a seed that is printed; SIGNET_SEED repeats a run."""
    number = int(os.environ.get("SIGNET_SEED") or random.SystemRandom().randrange(2 ** 32))
    print(f"# seed: SIGNET_SEED={number}", flush=True)
    return random.Random(number)
