"""Three data sets on which forests whose rows and features are drawn are judged beside those of others: make(rng, n) gives
[n, features] and labels. Accuracies of forests of 60 trees hardly depend on the seed there (a standard deviation near .001)."""
import numpy as np


def susy_like(rng, n):
    """Two classes, 18 features, half of them made of the others."""
    label = (rng.random(n) < 0.46).astype(int)
    low = rng.normal(0, 1, (n, 9)) + 0.35 * label[:, None] * np.linspace(1, 0, 9)
    high = np.stack([np.hypot(low[:, j], low[:, (j + 1) % 9]) * np.sign(low[:, (j + 2) % 9]) for j in range(9)], 1)
    return np.concatenate([low, high], 1), label


def fractal_like(rng, n):
    """Five classes with shares far apart, whole numbers of few bins, colours that go together."""
    label = rng.choice(5, n, p=[0.02, 0.4, 0.5, 0.06, 0.02])
    height = np.array([1.5, 0, 6, 6.5, -0.5])[label] + np.array([1.5, 0.2, 4.5, 3, 0.1])[label] * rng.normal(0, 1, n)
    light = np.array([125, 128, 98, 150, 70])[label] + 35 * rng.normal(0, 1, n)
    colour = light[:, None] + rng.normal(0, 7, (n, 3))
    ndvi = np.array([0.12, 0.1, 0.29, -0.03, -0.2])[label] + 0.15 * rng.normal(0, 1, n)
    strength = np.array([600, 1050, 620, 900, 120])[label] + 400 * rng.normal(0, 1, n)
    return np.column_stack([rng.gamma(1.5, 3, n) + height, strength.clip(0), *colour.T, ndvi]).round(2), label


def rings(rng, n):
    """Three classes by distance and angle: splits must go together."""
    x = rng.normal(0, 1, (n, 6))
    radius = np.hypot(x[:, 0], x[:, 1]) + 0.3 * x[:, 2] + 0.25 * rng.normal(0, 1, n)
    return x, np.digitize(radius, [0.9, 1.6])


DRAWN = [susy_like, fractal_like, rings]
