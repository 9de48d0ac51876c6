"""Assignment to elements and slices, views, aliases; creation of arrays."""

from __future__ import annotations

import numpy as np

from .construct import construct


@construct()
def set_item(x):
    y = np.zeros(3)
    y[0] = x[0] ** 2
    y[-1] = x[1]
    return np.sum(y) * y[0]


@construct()
def add_to_item(x):
    y = np.ones(3)
    y[1] += x[0]
    y[1] *= x[1]
    y[2] -= x[2]
    y[0] /= 1 + x[3] ** 2
    y[1] **= 2
    return np.sum(y)


@construct()
def set_slice(x):
    y = np.zeros(6)
    y[1:5] = x**2
    y[::5] = x[0]
    y[4:1:-1] += x[:3]
    return np.sum(y * np.arange(6))


@construct()
def set_row_and_column(x):
    A = np.zeros((3, 3))
    A[0] = x[:3]
    A[:, 1] = x[1:]
    A[1:, 2:] += 1.0 * x[0]
    A[..., 0] *= x[3]
    return np.sum(A**2)


@construct()
def set_scalar_into_a_slice(x):
    y = x.copy()
    y[1:3] = x[0]
    y[:] *= 2
    return np.sum(y**2)


@construct()
def set_by_list(x):
    y = np.zeros(5)
    y[[0, 3]] = x[:2]
    y[np.array([1, 2])] += x[2:]
    return np.sum(y * np.arange(1, 6))


@construct()
def set_by_mask(x):
    y = x**3
    y[y < 0] = 0.0
    return np.sum(y) + x[0]


@construct()
def repeated_index_counts_once(x):
    y = np.zeros(3)
    y[[0, 0, 1]] += x[0] ** 2
    return np.sum(y * np.array([1.0, 2.0, 3.0]))


@construct()
def tuple_targets(x):
    (a, b), c = (x[0], x[1] ** 2), x[2]
    y = np.zeros(2)
    y[0], y[1] = b, a * c
    d, *rest = x
    return y[0] * y[1] + d * rest[-1]


@construct()
def unpack_an_array(x):
    a, b, c, d = x
    return a * b + c * d**2


@construct()
def unpack_a_row(x):
    (a, b), (c, d) = x.reshape(2, 2)
    return a * d - b * c


@construct()
def chained_assignment(x):
    y = z = np.zeros(2)
    y[0] = x[0]
    z[1] = x[1]
    return y[1] ** 2 * z[0] + y[0]


@construct()
def aliasing(x):
    y = np.zeros(2)
    z = y
    z[0] = x[0] ** 2
    y[1] = x[1]
    return y[0] + z[1] ** 2


@construct()
def copies_are_not_aliases(x):
    y = np.ones(2)
    z = y.copy()
    z[0] = x[0] ** 2
    return y[0] * x[1] + z[0]


@construct()
def view_of_a_row(x):
    S = np.zeros((2, 2))
    row = S[1]
    row[0] += x[0] ** 2
    row[1] = x[1]
    return np.sum(S * np.array([[1.0, 2.0], [3.0, 4.0]]))


@construct()
def view_sees_later_writes(x):
    S = np.zeros((2, 2))
    row = S[0]
    S[0, 1] = x[0] ** 2
    return row[1] * x[1]


@construct()
def view_of_a_view(x):
    S = np.zeros((3, 4))
    block = S[1:]
    corner = block[:, ::2]
    corner[1, 1] = x[0] * x[1]
    corner[0] += x[2]
    return np.sum(S**2 * np.arange(12).reshape(3, 4))


@construct()
def transposed_and_reshaped_views(x):
    S = np.zeros((2, 3))
    S.T[2] = x[:2]
    S.reshape(6)[0] = x[2] ** 2
    S.ravel()[1] += x[3]
    return np.sum(S**2 * np.arange(1, 7).reshape(2, 3))


@construct()
def rows_in_a_loop_are_views(x):
    A = np.zeros((3, 2))
    for i, row in enumerate(A):
        row[0] = x[i] ** 2
        row[1] += x[i + 1]
    return np.sum(A * np.arange(6).reshape(3, 2))


@construct()
def augmented_assignment_writes_through(x):
    y = np.ones(3)
    z = y
    z += x[0]
    z *= x[1:]
    return np.sum(y**2)


@construct()
def plain_addition_does_not_write_through(x):
    y = np.ones(3)
    z = y
    z = z + x[0]
    return np.sum(y * z)


@construct()
def augmented_assignment_of_a_number_rebinds(x):
    a = x[0]
    b = a
    b += x[1]
    return a * b


@construct()
def argument_in_place(x):
    x[0] = x[1] ** 2
    x[2:] *= x[0]
    x += 1.0
    return np.sum(x**2)


@construct()
def swap_numbers(x):
    a, b = x[0], x[1]
    a, b = b, a**2
    return a - b


@construct()
def swap_elements(x):
    y = x.copy()
    y[0], y[1] = y[1], y[0]
    return np.sum(y * np.arange(1, 5))


@construct()
def swap_rows_by_list(x):
    A = np.outer(x, np.arange(1.0, 3.0))
    A[[0, 2]] = A[[2, 0]]
    return np.sum(A**2 * np.arange(8).reshape(4, 2))


@construct()
def swap_rows_by_tuple_is_a_trap(x):
    """As in NumPy: both rows end up as row 1, since rows are views."""
    A = np.outer(x, np.arange(1.0, 3.0))
    A[0], A[1] = A[1], A[0]
    return np.sum(A**2 * np.arange(8).reshape(4, 2))


def fill_with_squares(target, values):
    for i in range(len(values)):
        target[i] = values[i] ** 2


@construct()
def function_fills_an_argument(x):
    y = np.empty(4)
    assert fill_with_squares(y, x) is None
    return np.sum(y * np.arange(4))


@construct()
def function_fills_a_view(x):
    A = np.zeros((2, 4))
    fill_with_squares(A[1], x)
    return np.sum(A * np.arange(8).reshape(2, 4))


@construct()
def integer_arrays_stay_integer(x):
    counts = np.zeros(4, dtype=int)
    for i in range(4):
        if x[i] > 0:
            counts[i] += 1
    order = np.arange(4)
    order[0], order[3] = order[3], order[0]
    return np.sum(counts * x[order] ** 2)


@construct()
def element_of_a_float_into_an_integer_array(x):
    counts = np.zeros(2, dtype=int)
    counts[0] = 2.9
    return counts[0] * x[0] ** 2


@construct()
def fill_and_sort_methods(x):
    y = np.empty(4)
    y.fill(x[0])
    z = x.copy()
    z.sort()
    return np.sum(y * z * np.arange(4))


@construct()
def delete_a_name(x):
    y = x[0] ** 2
    del y
    y = x[1]
    return y**2


@construct()
def annotated_assignment(x: np.ndarray) -> float:
    """A docstring, as ordinary functions have."""
    y: float = x[0] ** 2
    z: np.ndarray
    z = x[1:] * y
    return np.sum(z)


@construct()
def pass_statement(x):
    y = x[0] * x[1]
    if x[2] > 0:
        pass
    else:
        y = y + x[3]
    return y


# Creation of arrays ---------------------------------------------------------------------------------------------------


@construct()
def zeros_ones_empty_full(x):
    a, b, c, d = np.zeros(2), np.ones((2,)), np.empty(2), np.full(2, x[0])
    a[0] = x[1]
    b[1] *= x[2]
    c[:] = x[3]
    d[0] += 1
    return np.sum(a * d + b * c + d)


@construct()
def like_functions(x):
    a, b, c, d = np.zeros_like(x), np.ones_like(x), np.empty_like(x), np.full_like(x, x[0])
    a[0] = x[1]
    b[1:] = x[1:]
    c[:] = x**2
    return np.sum(a + b * c * d)


@construct()
def array_of_numbers(x):
    y = np.array([x[0], 1.0, x[1] ** 2])
    return y @ y


@construct()
def array_of_nested_lists(x):
    R = np.array([[np.cos(x[0]), -np.sin(x[0])], [np.sin(x[0]), np.cos(x[0])]])
    return np.sum(R @ x[1:3])


@construct()
def array_of_an_array_is_a_copy(x):
    y = np.array(x)
    y[0] = 3.0
    return np.sum(x * y)


@construct()
def asarray_of_an_array_is_the_array(x):
    y = np.ones(3)
    z = np.asarray(y)
    z[0] = x[0]
    w = np.asarray([x[1], 2.0, x[2]])
    return np.sum(y * w)


@construct()
def array_with_a_dtype(x):
    y = np.array([0, 1, 2], dtype=float)
    y[0] = x[0]
    return np.sum(y * np.asarray(x, dtype=float)[1:])


@construct()
def array_of_a_comprehension(x):
    y = np.array([a**2 for a in x])
    z = np.array([[a * b for b in x] for a in x])
    return np.sum(y) + np.sum(z**2)


@construct()
def eye_identity_diag(x):
    A = np.eye(4)
    A[0, 1] = x[0]
    B = np.diag(x)
    return np.sum(A @ B @ A)
