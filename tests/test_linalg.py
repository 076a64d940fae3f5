"""Conjugate gradients on a batch, and dense matrices."""

from __future__ import annotations

import torch

from mapga.linalg import conjugate_gradient, dense_matrix, dot


def system(n: int = 12, batch: int = 4):
    generator = torch.manual_seed(0)
    root = torch.randn(n, n, dtype=torch.float64, generator=generator)
    matrix = root @ root.T + torch.eye(n, dtype=torch.float64)
    b = torch.randn(batch, 1, 3, n // 3, dtype=torch.float64, generator=generator)
    return matrix, b, lambda x: (x.flatten(1) @ matrix).reshape(x.shape)


def test_dot_is_per_image():
    a = torch.arange(8.0).reshape(2, 1, 2, 2)
    assert dot(a, a).tolist() == [0 + 1 + 4 + 9, 16 + 25 + 36 + 49]


def test_dense_matrix_has_measurements_as_rows():
    matrix = torch.randn(5, 12, dtype=torch.float64, generator=torch.manual_seed(0))
    found = dense_matrix(lambda x: x.flatten(1) @ matrix.T, (1, 3, 4), dtype=torch.float64)
    assert torch.equal(found, matrix)


def test_conjugate_gradient_solves():
    matrix, b, matvec = system()
    x = conjugate_gradient(matvec, b)
    torch.testing.assert_close(x.flatten(1), torch.linalg.solve(matrix, b.flatten(1).T).T, atol=1e-8, rtol=1e-8)


def test_conjugate_gradient_ends_after_as_many_steps_as_eigenvalues():
    values = torch.tensor([1.0, 5.0, 30.0], dtype=torch.float64).repeat(4)
    calls = []

    def matvec(x):
        calls.append(1)
        return values * x

    b = torch.randn(2, 12, dtype=torch.float64, generator=torch.manual_seed(1))
    torch.testing.assert_close(conjugate_gradient(matvec, b), b / values, atol=1e-9, rtol=1e-9)
    assert len(calls) <= 4


def test_iterations_are_bounded():
    matrix, b, _ = system()
    calls = []

    def matvec(x):
        calls.append(1)
        return (x.flatten(1) @ matrix).reshape(x.shape)

    conjugate_gradient(matvec, b, iterations=3)
    assert len(calls) == 3


def test_a_hard_batch_mate_does_not_change_an_easy_image():
    _, b, matvec = system()
    easy = torch.zeros_like(b[:1])
    together = conjugate_gradient(matvec, torch.cat([easy, b]))
    assert not together[0].any(), "b = 0 has the answer 0, without 0 / 0"
    alone = torch.cat([conjugate_gradient(matvec, b[k : k + 1]) for k in range(len(b))])
    torch.testing.assert_close(together[1:], alone, atol=1e-10, rtol=0)


def test_an_image_that_is_not_a_number_leaves_the_others_bit_identical():
    _, b, matvec = system()
    expected = conjugate_gradient(matvec, b)
    broken = b.clone()
    broken[2] = float("nan")
    x = conjugate_gradient(matvec, broken)
    keep = [0, 1, 3]
    assert torch.equal(x[keep], expected[keep])
    assert not torch.equal(x[2], expected[2])
