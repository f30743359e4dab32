"""Handwritten digits: a network trained in NumPy, with actgrad for what is not plain arithmetic.

    pip install actgrad scikit-learn tqdm
    python examples/digits.py
    python examples/digits.py --activation leaky_relu --set negative_slope=0.2 --epochs 20

Two hidden layers with any activation by name, a softmax at the end, Adam. Every activation, every
derivative and every gradient of a layer is a call of actgrad. After each epoch a line shows how
the units fare: how many are dead, how many entries are saturated, and what is left of the gradient
at the first layer.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import actgrad as ag
from actgrad.diagnostics import (
    DeadUnits,
    DeadUnitsResult,
    FlowResult,
    GradientFlow,
    Saturation,
    SaturationResult,
)

DIGITS = 10


@dataclass
class Parameter:
    """An array that Adam trains, with its running moments.

    Source: D. P. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, 2015.
    """

    value: np.ndarray
    mean: np.ndarray = field(init=False)
    square: np.ndarray = field(init=False)
    step: int = 0

    def __post_init__(self) -> None:
        self.mean, self.square = np.zeros_like(self.value), np.zeros_like(self.value)

    def update(self, grad: np.ndarray, rate: float) -> None:
        """Take a step against the gradient."""
        self.step += 1
        self.mean += 0.1 * (grad - self.mean)
        self.square += 0.001 * (grad * grad - self.square)
        mean, square = self.mean / (1 - 0.9**self.step), self.square / (1 - 0.999**self.step)
        self.value -= rate * mean / (np.sqrt(square) + 1e-8)


class Network:
    """Dense layers with an activation between them."""

    def __init__(
        self, sizes: Sequence[int], activation: ag.Activation, random: np.random.Generator
    ) -> None:
        self.activation = activation
        # Weights that neither shrink nor grow a gradient on average: for relu this is He's rule.
        slope = activation.derivative(random.normal(size=10_000))
        gain = 1.0 / math.sqrt(np.nanmean(slope * slope) or 1.0)
        self.weights, self.biases = [], []
        for inputs, units in pairwise(sizes):
            weight = random.normal(scale=gain / math.sqrt(inputs), size=(inputs, units))
            self.weights.append(Parameter(weight.astype(np.float32)))
            self.biases.append(Parameter(np.zeros(units, np.float32)))

    def forward(self, x: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the inputs and the pre-activations of every layer."""
        inputs, sums = [x], []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            if sums:
                inputs.append(self.activation(sums[-1]))
            sums.append(ag.weighted_sum(inputs[-1], weight.value, bias.value))
        return inputs, sums

    def train(self, x: np.ndarray, digits: np.ndarray, rate: float) -> tuple[float, list]:
        """Take a step on a batch; return its loss and the pre-activations of the hidden layers."""
        inputs, sums = self.forward(x)
        rows = np.arange(len(x))
        loss = -float(np.mean(ag.log_softmax(sums[-1])[rows, digits]))
        grad = np.zeros_like(sums[-1])
        grad[rows, digits] = -1.0 / len(x)
        grad = ag.log_softmax.backward(grad, sums[-1])
        for layer in reversed(range(len(sums))):
            weight, bias = self.weights[layer], self.biases[layer]
            grad_x, grad_weight, grad_bias = ag.dense_backward(grad, inputs[layer], weight.value)
            weight.update(grad_weight, rate)
            bias.update(grad_bias, rate)
            if layer:
                grad = self.activation.backward(grad_x, sums[layer - 1])
        return loss, sums[:-1]

    def accuracy(self, x: np.ndarray, digits: np.ndarray) -> float:
        """Return the fraction of digits recognised."""
        return float(np.mean(self.forward(x)[1][-1].argmax(axis=-1) == digits))


@dataclass
class Epoch:
    """What an epoch shows: the diagnostics of each hidden layer, over all of its batches."""

    number: int
    loss: float
    accuracy: float
    dead: list[DeadUnitsResult]
    saturated: list[SaturationResult]
    flow: FlowResult

    def __str__(self) -> str:
        dead, saturated = (
            " ".join(f"{result.fraction:6.1%}" for result in results)
            for results in (self.dead, self.saturated)
        )
        line = (
            f"{self.number:5}  {self.loss:8.4f}  {self.accuracy:8.4f}  {dead:>13}  {saturated:>13}"
            f"  {self.flow.product!s:>8}"
        )
        nan = int(self.flow.nan.sum())
        return f"{line}  {nan} NaN" if nan else line


HEADER = (
    f"{'epoch':>5}  {'loss':>8}  {'accuracy':>8}  {'dead units':>13}  {'saturated':>13}  "
    f"{'gradient':>8}"
)


def data(seed: int) -> list[np.ndarray]:
    """Return pixels for training and testing, then the digits they show."""
    pixels, digits = load_digits(return_X_y=True)
    pixels = (pixels / 8.0 - 1.0).astype(np.float32)  # from 0..16 to -1..1
    return train_test_split(pixels, digits, test_size=0.2, random_state=seed, stratify=digits)


def run(
    activation: ag.Activation,
    *,
    epochs: int = 15,
    hidden: Sequence[int] = (128, 64),
    batch: int = 32,
    rate: float = 2e-3,
    seed: int = 0,
    progress: bool = True,
) -> Iterator[Epoch]:
    """Train a network and yield what each epoch shows."""
    random = np.random.default_rng(seed)
    x, x_test, digits, digits_test = data(seed)
    network = Network([x.shape[1], *hidden, DIGITS], activation, random)
    for number in tqdm(range(1, epochs + 1), unit="epoch", disable=not progress, leave=False):
        dead = [DeadUnits(activation) for _ in hidden]
        saturated = [Saturation(activation) for _ in hidden]
        flow = GradientFlow(activation)
        losses = []
        for chosen in np.array_split(random.permutation(len(x)), math.ceil(len(x) / batch)):
            loss, sums = network.train(x[chosen], digits[chosen], rate)
            losses.append(loss)
            flow.update(sums)
            for layer, z in enumerate(sums):
                dead[layer].update(z)
                saturated[layer].update(z)
        yield Epoch(
            number=number,
            loss=float(np.mean(losses)),
            accuracy=network.accuracy(x_test, digits_test),
            dead=[units.result() for units in dead],
            saturated=[entries.result() for entries in saturated],
            flow=flow.result(),
        )


def positive(text: str) -> int:
    """Read a number of things of which there has to be one."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"got {text}; wanted 1 or more")
    return number


def arguments(argv: Sequence[str] | None) -> tuple[argparse.Namespace, ag.Activation]:
    """Read the command line."""
    names = ", ".join(activation.name for activation in ag.activations("element-wise"))
    parser = argparse.ArgumentParser(
        description="Train a network on handwritten digits with any activation.",
        epilog=f"Activations: {names}.",
    )
    parser.add_argument("--activation", default="gelu", metavar="NAME", help="default: gelu")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="fix a parameter of it"
    )
    parser.add_argument("--epochs", type=positive, default=15)
    parser.add_argument("--hidden", type=positive, nargs=2, default=(128, 64), metavar="UNITS")
    parser.add_argument("--batch", type=positive, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
    options = parser.parse_args(argv)
    fixed = {}
    for text in options.set:
        name, _, value = text.partition("=")
        try:
            fixed[name] = float(value)
        except ValueError:
            parser.error(f"got --set {text}; wanted NAME=VALUE, such as --set alpha=0.5")
    try:
        activation = ag.get(options.activation)
        if fixed and isinstance(activation, ag.Activation):
            activation = activation.bind(**fixed)
        DeadUnits(activation)  # says what is wrong with an activation that does not do here
    except ag.ActgradError as error:
        parser.error(str(error))
    return options, activation


def main(argv: Sequence[str] | None = None) -> int:
    """Train, print a line for each epoch, and return the exit status."""
    options, activation = arguments(argv)
    print(f"{activation!r} in layers of {options.hidden[0]} and {options.hidden[1]} units")
    print(HEADER)
    for last in run(
        activation,
        epochs=options.epochs,
        hidden=options.hidden,
        batch=options.batch,
        rate=options.rate,
        seed=options.seed,
        progress=not options.no_progress,
    ):
        tqdm.write(str(last))
        if not math.isfinite(last.loss):
            print("the loss is no longer finite: lower the rate, or take another activation")
            return 1
    for layer, result in enumerate(last.dead):
        if result.advice:
            print(f"layer {layer}: {result.advice}")
    print(f"test accuracy {last.accuracy:.4f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
