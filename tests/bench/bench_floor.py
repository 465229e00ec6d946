# SPDX-License-Identifier: Apache-2.0
"""What the cryptography of one issuance costs at least on this machine: OpenSSL alone, keys decoded before, one thread."""

import json
import subprocess
import time

import measure
from lab import program

ABOUT = "the cryptography of one issuance, with OpenSSL alone"
TARGETS = ("crypto_floor",)


def options(parser):
    parser.add_argument("--times", type=int, default=200, metavar="N", help="how often each operation in a round")


def measured(rounds, times):
    """{"operations": [{operation, times, us}], "floor_us": ..., "openssl": ...}"""
    done = subprocess.run([program("crypto_floor"), str(rounds), str(times)], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def run(options, progress):
    progress(f"floor, {options.rounds} rounds")
    result = {"part": "floor", "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
              "machine": measure.machine(options.directory), "options": measure.describe(options),
              **measured(options.rounds, options.times)}
    machine = result["machine"]
    head = f"{machine['cores']} cores, {machine['processor']}, {result['openssl']}; medians of {options.rounds} rounds"
    return f"{head}\n\n{table(result)}", result


def table(floor):
    rows = [(f"{one['times']} x {one['operation']}" if one["times"] > 1 else one["operation"], f"{one['us']:.1f}",
             f"{one['us'] * one['times']:.0f}") for one in floor["operations"]]
    return measure.table(("", "us of CPU", "in an issuance"), rows + [("one issuance", "", f"{floor['floor_us']:.0f}")])
