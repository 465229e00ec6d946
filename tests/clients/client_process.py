# SPDX-License-Identifier: Apache-2.0
"""The loop of the client processes in Python: a line of JSON {"verb": NAME, ...} is a call of that method, its answer
is a line; what the library raises comes back as {"error": TEXT}."""

import json
import sys


def serve(client, *refusals):
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(client, request.pop("verb"))(**request)
        except refusals as refusal:
            answer = {"error": f"{type(refusal).__name__}: {refusal}"}
        print(json.dumps(answer or {}), flush=True)
