"""The activations of kernel.cpp and their gradients as formulas in float64, by the numbers that the kernel has for them."""

import numpy as np
from scipy import special

from trainables.native.structures import Activation

A = Activation
SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772  # of SELU
ROOT = np.sqrt(2 / np.pi)
EXP, LOG, EXPM1, LOG1P, ERF = -1, -2, -3, -4, -5


def softplus(z):
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def density(z):
    return np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


def third(z):
    return np.clip(z / 6 + 0.5, 0, 1)


def between(z, low, high):
    return ((z > low) & (z < high)).astype(float)


def approximate(z):
    return np.tanh(ROOT * (z + 0.044715 * z**3))


VALUES = {
    A.LINEAR: lambda z, s: z,
    A.RELU: lambda z, s: np.maximum(z, 0),
    A.ELU: lambda z, s: np.where(z < 0, s * np.expm1(z), z),
    A.SELU: lambda z, s: SCALE * np.where(z < 0, ALPHA * np.expm1(z), z),
    A.TANH: lambda z, s: np.tanh(z),
    A.SIGMOID: lambda z, s: special.expit(z),
    A.SOFTPLUS: lambda z, s: softplus(z),
    A.EXPONENTIAL: lambda z, s: np.exp(z),
    A.RELU6: lambda z, s: np.clip(z, 0, 6),
    A.LEAKY_RELU: lambda z, s: np.where(z < 0, s * z, z),
    A.SOFTSIGN: lambda z, s: z / (1 + np.abs(z)),
    A.HARD_SIGMOID: lambda z, s: third(z),
    A.HARD_TANH: lambda z, s: np.clip(z, -1, 1),
    A.SILU: lambda z, s: z * special.expit(z),
    A.GELU: lambda z, s: z * special.ndtr(z),
    A.MISH: lambda z, s: z * np.tanh(softplus(z)),
    A.HARD_SILU: lambda z, s: z * third(z),
    A.GELU_TANH: lambda z, s: z * (1 + approximate(z)) / 2,
    EXP: lambda z, s: np.exp(z),
    LOG: lambda z, s: np.log(z),
    EXPM1: lambda z, s: np.expm1(z),
    LOG1P: lambda z, s: np.log1p(z),
    ERF: lambda z, s: special.erf(z),
}
GRADIENTS = {
    A.LINEAR: lambda z, s: np.ones_like(z),
    A.RELU: lambda z, s: (z > 0).astype(float),
    A.ELU: lambda z, s: np.where(z < 0, s * np.exp(z), 1),
    A.SELU: lambda z, s: SCALE * np.where(z < 0, ALPHA * np.exp(z), 1),
    A.TANH: lambda z, s: 1 - np.tanh(z) ** 2,
    A.SIGMOID: lambda z, s: special.expit(z) * special.expit(-z),
    A.SOFTPLUS: lambda z, s: special.expit(z),
    A.EXPONENTIAL: lambda z, s: np.exp(z),
    A.RELU6: lambda z, s: between(z, 0, 6),
    A.LEAKY_RELU: lambda z, s: np.where(z > 0, 1, s),
    A.SOFTSIGN: lambda z, s: 1 / (1 + np.abs(z)) ** 2,
    A.HARD_SIGMOID: lambda z, s: between(z, -3, 3) / 6,
    A.HARD_TANH: lambda z, s: between(z, -1, 1),
    A.SILU: lambda z, s: special.expit(z) * (1 + z * special.expit(-z)),
    A.GELU: lambda z, s: special.ndtr(z) + z * density(z),
    A.MISH: lambda z, s: np.tanh(softplus(z)) + z * (1 - np.tanh(softplus(z)) ** 2) * special.expit(z),
    A.HARD_SILU: lambda z, s: np.where(z <= -3, 0, np.where(z >= 3, 1, z / 3 + 0.5)),
    A.GELU_TANH: lambda z, s: (
        (1 + approximate(z)) / 2 + z * (1 - approximate(z) ** 2) * ROOT * (1 + 3 * 0.044715 * z * z) / 2
    ),
}
