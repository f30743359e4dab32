"""How a gradient fades through 50 layers of sigmoid, tanh, relu and gelu, measured and plotted.

    pip install 'actgrad[plot]' tqdm
    python examples/fading_signal.py

A batch of random inputs goes forward through a network of random weights, and a random gradient
comes back. For each activation a line shows the size of f' in its layers (the root of the mean
square), what that and the weights predict to be left of the gradient at the first layer, what is
measured there, and where less than the limit is left. The plot shows the measured gradient at every
layer.
"""

import argparse
import math
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

import actgrad as ag
from actgrad import plotting
from actgrad.diagnostics import FlowResult, GradientFlow, gradient_flow

ACTIVATIONS = ("sigmoid", "tanh", "relu", "gelu")
# The variance of a weight, times the number of inputs: Xavier's rule and He's.
RULES = {"xavier": 1.0, "he": 2.0}


def fade(
    activation: ag.Activation,
    layers: int = 50,
    *,
    units: int = 128,
    samples: int = 256,
    rule: str = "xavier",
    limit: float = 1e-6,
    seed: int = 0,
) -> tuple[np.ndarray, FlowResult]:
    """Return the size of the gradient at each layer, relative to the one that comes in.

    With it comes what the mean derivatives and the weights predict. The size is the root of the
    mean square.
    """
    random = np.random.default_rng(seed)
    spread = math.sqrt(RULES[rule] / units)
    weights = [random.normal(scale=spread, size=(units, units)) for _ in range(layers)]
    x = random.normal(size=(samples, units))
    inputs, sums = [], []
    for weight in weights:
        inputs.append(x)
        sums.append(ag.weighted_sum(x, weight))
        x = activation(sums[-1])

    grad = random.normal(size=x.shape)
    sizes = np.empty(layers)
    start = np.sqrt(np.mean(grad * grad))
    for layer in reversed(range(layers)):
        grad = activation.backward(grad, sums[layer])
        grad = ag.dense_backward(grad, inputs[layer], weights[layer])[0]
        sizes[layer] = np.sqrt(np.mean(grad * grad)) / start
    gain = spread * math.sqrt(units)
    return sizes, gradient_flow(sums, activation, gains=gain, quadratic=True, lost_below=limit)


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each activation, write the plot, and return the exit status."""
    parser = argparse.ArgumentParser(description="Show how a signal fades through many layers.")
    parser.add_argument("--activations", nargs="+", default=ACTIVATIONS, metavar="NAME")
    parser.add_argument("--layers", type=int, default=50)
    parser.add_argument("--rule", choices=RULES, default="xavier", help="how weights are drawn")
    parser.add_argument("--limit", type=float, default=1e-6, help="below which it is lost")
    parser.add_argument("--plot", default="fading_signal.png", metavar="FILE")
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
    options = parser.parse_args(argv)
    try:
        chosen = [ag.get(name) for name in options.activations]
        GradientFlow(chosen)  # says what is wrong with an activation that does not do here
    except ag.ActgradError as error:
        parser.error(str(error))

    print(f"{'':12}  size of f'   predicted    measured  lost at")
    curves = {}
    for activation in tqdm(chosen, disable=options.no_progress, leave=False):
        sizes, flow = fade(activation, options.layers, rule=options.rule, limit=options.limit)
        curves[activation.name] = sizes
        lost = np.flatnonzero(sizes < options.limit)
        where = f"layer {lost[-1]}" if len(lost) else "nowhere"
        tqdm.write(
            f"{activation.name:12}  {np.mean(flow.mean):10.3f}  {flow.product!s:>10}  "
            f"{sizes[0]:10.2e}  {where}"
        )
    try:
        ax = plotting.signal_fade(curves, limit=options.limit)
    except ag.ActgradImportError as error:
        print(f"no plot: {error}")
        return 0
    ax.set_title(f"the gradient in {options.layers} layers, {options.rule}")
    ax.figure.savefig(options.plot)
    print(f"wrote {options.plot}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
