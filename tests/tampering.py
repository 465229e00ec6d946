# SPDX-License-Identifier: Apache-2.0
"""What somebody does to a value or to a file of lines of JSON, at random. Functions of files take the lines (octets with their
ends) and return them changed, with words that say what was done."""

import json


def other_octet(rng, octets):
    """One octet changed, put in or taken away."""
    at = rng.randrange(len(octets) + 1)
    how = rng.randrange(3)
    if how == 0 or not octets:
        return octets[:at] + bytes([rng.randrange(256)]) + octets[at:]
    at = min(at, len(octets) - 1)
    return octets[:at] + (b"" if how == 1 else bytes([octets[at] ^ rng.randrange(1, 256)])) + octets[at + 1:]


def other_value(rng, value):
    if isinstance(value, int):
        return value + rng.choice((-1000, -1, 1, 60000))
    if isinstance(value, str):
        return other_octet(rng, value.encode()).decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {name: other_value(rng, inner) for name, inner in value.items()}
    return other_octet(rng, value)


def change_octet(rng, lines):
    data = b"".join(lines)
    other = other_octet(rng, data)
    return [other], "one octet"


def delete_lines(rng, lines):
    first = rng.randrange(len(lines))
    count = rng.randrange(1, 6)
    return lines[:first] + lines[first + count:], f"lines from {first + 1} deleted"


def move_line(rng, lines):
    one, other = rng.sample(range(len(lines)), 2)
    rest = lines[:one] + lines[one + 1:]
    return rest[:other] + [lines[one]] + rest[other:], f"line {one + 1} moved to {other + 1}"


def double_line(rng, lines):
    one = rng.randrange(len(lines))
    return lines[:one] + [lines[one]] + lines[one:], f"line {one + 1} doubled"


def change_field(rng, lines):
    one = rng.randrange(len(lines))
    line = json.loads(lines[one])
    field = rng.choice(list(line))
    line[field] = other_value(rng, line[field])
    return (lines[:one] + [json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"]
            + lines[one + 1:], f"line {one + 1}: {field}")


IN_FILE = (change_octet,) * 4 + (delete_lines, move_line, double_line, change_field, change_field, change_field)
