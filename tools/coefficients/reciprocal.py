"""The constants of `reciprocal_estimate`.

The guess for 1/d has the bits MAGIC - bits(d), where MAGIC is the bits of 2 with the exponent
doubled, less D ulps of 1. For d = 1 + m and s = D ulp it is 1 - (s + m)/2, or (3 - s - m)/4 where
that is below 1/2. The relative error is -s/2 at m = 0, 1 - s and 1; its largest value is
(3 - s)^2/8 - 1, at m = (1 - s)/2. The two are opposite for s^2 - 10 s + 1 = 0.

A step y (c - d y) takes the relative error e of y to a + a e - e^2, a = c - 2. Over |e| <= E that
is between a - a E - E^2 and a + a^2/4, which are opposite for the a below.

Run: python tools/coefficients/reciprocal.py
"""

from mpmath import log, mp, mpf, sqrt

mp.prec = 200
s = 5 - sqrt(mpf(24))
for bias, fraction in ((127, 23), (1023, 52)):
    magic = ((2 * bias) << fraction) - int(mp.nint(s * 2**fraction))
    print(f"guess, {fraction + 1} bits: {magic:#x}")
error = s / 2
print(f"error of the guess: 2^{float(log(error, 2)):.2f}")
for _ in range(3):
    print(f"a step with 2: error 2^{float(log(error**2, 2)):.2f}")
    # a^2/4 + a (2 - E) - E^2 = 0
    linear = 2 - error
    a = 2 * (sqrt(linear**2 + error**2) - linear)
    error = a + a * a / 4
    print(f"step: {mp.nstr(2 + a, 17)}, error 2^{float(log(error, 2)):.2f}")
