"""Checks of operators, at whatever size they were made for: no matrix is formed but by ``matrix``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mapga.operators.base import LinearOperator, Operator, SpectralOperator
from mapga.testing.algebra import dense_matrix, dot
from mapga.testing.failure import close, require, travelled

__all__ = [
    "adjointness",
    "batch_independence",
    "checks",
    "decomposition",
    "derivative",
    "differentiability",
    "equivalence",
    "gram_solve",
    "linearity",
    "matrix",
    "measured_values",
    "nan_isolation",
    "pickling",
    "pseudo_inverse",
    "refusal",
]


def checks(operator: Operator) -> list[Callable[[Operator], None]]:
    """Those that apply to its rung."""
    found: list[Callable[..., None]] = [batch_independence, nan_isolation, pickling, measured_values, refusal]
    found += (
        [differentiability, equivalence] if operator.straight_through else [differentiability, derivative, equivalence]
    )
    if isinstance(operator, LinearOperator):
        found += [linearity, adjointness, pseudo_inverse, gram_solve]
    if isinstance(operator, SpectralOperator):
        found.append(decomposition)
    return found


def batch_independence(operator: Operator) -> None:
    """An image is measured the same in company and alone."""
    operator, x = _double(operator), _images(operator, 3)
    together = operator.apply(x)
    for k in range(3):
        alone = operator.apply(x[k : k + 1])
        close(alone, together[k : k + 1], f"A(x) of image {k} alone and in a batch of 3", atol=1e-13, rtol=1e-13)


def nan_isolation(operator: Operator) -> None:
    """An image of NaN leaves the measurements of others as they are."""
    operator, x = _double(operator), _images(operator, 3)
    spoilt = x.clone()
    spoilt[1] = torch.nan
    found, wanted = operator.apply(spoilt), operator.apply(x)
    for k in (0, 2):
        require(torch.equal(found[k], wanted[k]), f"A(x) of image {k} changes where image 1 of its batch is NaN")


def pickling(operator: Operator) -> None:
    """It measures the same twice, and in another process."""
    x = _images(operator := _double(operator), 2)
    once = operator.apply(x)
    require(torch.equal(once, operator.apply(x)), "A(x) is another when it is asked again")
    require(torch.equal(once, travelled(operator).apply(x)), "A(x) is another once the operator was pickled")


def measured_values(operator: Operator) -> None:
    """``n_measurements`` is how many values of y are measured, and y can be looked at."""
    y = (operator := _double(operator)).apply(_images(operator, 2))
    require(torch.equal(operator.restrict(y), y), "A(x) is not 0 where restrict(y) is, and nothing is measured")
    seen = int(operator.restrict(torch.ones_like(y[:1])).count_nonzero())
    require(operator.n_measurements == seen, f"n_measurements is {operator.n_measurements}, restrict(1) leaves {seen}")
    shown, wanted = tuple(operator.preview(y).shape), (2, *operator.image_shape)
    require(shown == wanted, f"preview(y) has shape {shown}, not {wanted}")
    mask = operator.unseen(y)
    told = (mask.dtype, tuple(mask.shape))
    require(told == (torch.bool, wanted[-2:]), f"unseen(y) is {told[0]} {told[1]}, not bool {wanted[-2:]}")


def refusal(operator: Operator) -> None:
    """Images of another shape are refused by a ValueError."""
    channels, height, width = operator.image_shape
    x = torch.zeros(1, channels, height + 1, width + 2, dtype=torch.float64)
    try:
        _double(operator).apply(x)
        told = "taken"
    except ValueError:
        return
    except Exception as error:
        told = f"refused by a {type(error).__name__}"
    require(
        False, f"images of {tuple(x.shape[1:])} are {told}, though it is for {operator.image_shape}: call self.check(x)"
    )


def differentiability(operator: Operator) -> None:
    """A(x) has a finite gradient."""
    x = _images(operator := _double(operator), 1).requires_grad_()
    y = operator.apply(x)
    require(y.requires_grad, "A(x) has no gradient: it must stay within torch")
    (gradient,) = torch.autograd.grad(y.sum(), x)
    require(bool(torch.isfinite(gradient).all()), "the gradient of A(x) is not finite")


def derivative(operator: Operator) -> None:
    """vjp(x, v) is the derivative of <A(x), v>, by central differences; kinks that a difference meets are not at x."""
    operator, x, v = _double(operator), _images(operator, 3), _measurements(operator, 3)
    product, h = operator.vjp(x, v), 1e-6
    require(not product.requires_grad, "vjp(x, v) carries a graph: detach it")
    for seed in (7, 8):
        d = _images(operator, 3, seed)
        slope = dot(operator.apply(x + h * d) - operator.apply(x - h * d), v) / (2 * h)
        close(dot(product, d), slope, "vjp(x, v) is not the derivative of A", atol=1e-6, rtol=1e-6)


def equivalence(operator: Operator) -> None:
    """``equivalents`` begin with the image, and measure the same."""
    x = _images(operator := _double(operator), 2)
    first, *others = operator.equivalents(x)
    require(torch.equal(first, x), "the first of equivalents(x) is not x")
    for other in others:
        close(operator.apply(other), operator.apply(x), "one of equivalents(x) does not measure what x measures")


def linearity(operator: LinearOperator) -> None:
    """A(2x - 3z) = 2 A(x) - 3 A(z)."""
    x, z = _images(operator := _double(operator), 2), _images(operator, 2, seed=7)
    close(operator.apply(2 * x - 3 * z), 2 * operator.apply(x) - 3 * operator.apply(z), "A(2x - 3z) is not linear")


def adjointness(operator: LinearOperator) -> None:
    """<A x, y> = <x, A^T y>, and A^T is the vector-Jacobian product of A."""
    operator, x, y = _double(operator), _images(operator, 3), _measurements(operator, 3)
    close(dot(operator.apply(x), y), dot(x, operator.adjoint(y)), "<A x, y> and <x, A^T y> differ", atol=1e-9)
    (product,) = torch.autograd.grad(operator.apply(x.requires_grad_()), x, y)
    close(operator.adjoint(y), product, "A^T y is not the vector-Jacobian product of A")


def pseudo_inverse(operator: LinearOperator) -> None:
    """The four conditions of Moore and Penrose, which A^+ alone meets."""
    operator, x = _double(operator), _images(operator, 3)
    y, z, w = _measurements(operator, 3), _measurements(operator, 3, seed=5), _images(operator, 3, seed=6)
    apply, pinv = operator.apply, operator.pinv
    close(apply(pinv(apply(x))), apply(x), "A A^+ A is not A", atol=1e-9)
    close(pinv(apply(pinv(y))), pinv(y), "A^+ A A^+ is not A^+", atol=1e-8, rtol=1e-8)
    close(dot(apply(pinv(y)), z), dot(y, apply(pinv(z))), "A A^+ is not symmetric", atol=1e-7, rtol=1e-8)
    close(dot(pinv(apply(x)), w), dot(x, pinv(apply(w))), "A^+ A is not symmetric", atol=1e-7, rtol=1e-8)


def gram_solve(operator: LinearOperator) -> None:
    """(A A^T + c I) solve_gram(r, c) = r, for a number c and for one an image."""
    operator, r = _double(operator), _measurements(operator, 3)
    each = torch.tensor([1e-2, 0.5, 7.0], dtype=torch.float64)
    for c in (0.3, 25.0, each):
        s = operator.solve_gram(r, c)
        wide = torch.as_tensor(c, dtype=torch.float64).reshape(-1, *[1] * (r.ndim - 1))
        close(
            operator.apply(operator.adjoint(s)) + wide * s,
            r,
            f"(A A^T + c I) solve_gram(r, c) is not r, c={c}",
            atol=1e-9,
        )


def decomposition(operator: SpectralOperator) -> None:
    """A = U diag(s) V^T with V orthogonal and U orthonormal where something is measured."""
    operator, x = _double(operator), _images(operator, 3)
    s, measured = operator.singular_values, operator.measured
    require(
        s.shape == measured.shape == (1, *operator.image_shape), f"singular_values {tuple(s.shape)}: want (1, C, H, W)"
    )
    require(
        bool((s >= 0).all()) and not bool(s[~measured].any()), "singular values are negative, or not 0 where unmeasured"
    )
    close(operator.from_spectral(operator.to_spectral(x)), x, "V V^T x is not x")
    close(operator.to_spectral(operator.from_spectral(x)), x, "V^T V x is not x")
    close(operator.to_spectral(x).flatten(1).norm(dim=1), x.flatten(1).norm(dim=1), "V^T changes lengths")
    kept = operator.measurement_to_spectral(operator.measurement_from_spectral(x))
    close(kept, torch.where(measured, x, 0.0), "U^T U is not 1 where measured and 0 elsewhere")
    made = operator.measurement_from_spectral(s * operator.to_spectral(x))
    close(operator.apply(x), made, "A x is not U diag(s) V^T x")


def matrix(operator: LinearOperator, expected: Tensor) -> None:
    """A, its adjoint and its inverses are those of a matrix (m, n) that was made by other means, for small images."""
    operator = _double(operator)
    close(
        dense_matrix(operator.apply, operator.image_shape, dtype=torch.float64),
        expected,
        "A is not the matrix",
        atol=1e-12,
    )
    y = _measurements(operator, 3)
    close(operator.adjoint(y).flatten(1), y.flatten(1) @ expected, "A^T is not that of the matrix")
    inverse = torch.linalg.pinv(expected, rtol=1e-9)
    close(operator.pinv(y).flatten(1), y.flatten(1) @ inverse.T, "A^+ is not that of the matrix", atol=1e-9, rtol=1e-8)
    gram = expected @ expected.T
    for c in (1e-4, 0.3, 25.0):
        solved = torch.linalg.solve(gram + c * torch.eye(len(gram), dtype=gram.dtype), y.flatten(1).T).T
        close(operator.solve_gram(y, c).flatten(1), solved, f"(A A^T + {c} I)^-1 is not that of the matrix", atol=1e-10)


def _double(operator):  # type: ignore[no-untyped-def]  # the same operator, of whatever rung
    return operator.to("cpu", torch.float64)


def _images(operator: Operator, batch: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, *operator.image_shape, generator=generator, dtype=torch.float64)


def _measurements(operator: Operator, batch: int, seed: int = 1) -> Tensor:
    """Random, zero where nothing is measured."""
    shape = operator.apply(_images(operator, 1)).shape[1:]
    generator = torch.Generator().manual_seed(seed)
    return operator.restrict(torch.randn(batch, *shape, generator=generator, dtype=torch.float64))
