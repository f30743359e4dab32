"""Turns the hexadecimal polynomials that the Sollya scripts print into Rust array literals.

Reads standard input. A line such as ``f64 0x1p-1 + x * 0x1.8p-3`` becomes a list of the shortest
decimal literals that denote the same numbers; other lines pass through.
"""

import re
import struct
import sys

HEXADECIMAL = re.compile(r"-?0x[0-9a-f.]+p[+-]?\d+|(?<=[|, ])0(?=[,|])", re.IGNORECASE)


def shortest_single(value: float) -> str:
    """Return the shortest decimal that reads back as the float32 ``value``."""
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("f", float(text)) == struct.pack("f", value):
            return repr(float(text))
    raise ValueError(f"{value!r} is not a float32")


def main() -> None:
    """Convert standard input."""
    for line in sys.stdin:
        precision = line.split(" ", 1)[0].rstrip(":")
        coefficients = [float.fromhex(text) for text in HEXADECIMAL.findall(line)]
        if not precision.startswith("f") or not coefficients:
            print(line, end="")
            continue
        literal = shortest_single if precision.startswith("f32") else repr
        print(f"{precision}: [{', '.join(literal(value) for value in coefficients)}]")


if __name__ == "__main__":
    main()
