"""The acceptance programs in multiple precision, sharing no code with them.

Each works on lists of `mpf` (a matrix is a list of rows), and says the same mathematics in another way where there is
one: a root is a root, a factorisation is `mpmath`'s own, many steps of a linear scheme are a power of a matrix.
"""

from __future__ import annotations

from mpmath import mp


def exact_covariance(x):
    S = [[mp.exp(-((a - b) ** 2) / 2) for b in x] for a in x]
    for i, a in enumerate(x):
        S[i][i] += mp.mpf(0.1) + a * a
    return S


def exact_trace_of_products(x):
    total = mp.fsum(mp.sin(a) for a in x)
    return [[a * total if i == j else mp.mpf(0) for j in range(len(x))] for i, a in enumerate(x)]


def exact_weighted_path(x):
    path = mp.fsum((i + 1) * mp.hypot(1, x[i + 1] - x[i]) for i in range(len(x) - 1))
    return path + mp.fsum(a * a / (i + 1) for i, a in enumerate(x))


def exact_simpson(x, n=20):
    rate, frequency, upper = x
    weights = [1] + [4, 2] * (n // 2 - 1) + [4, 1]
    nodes = [upper * i / n for i in range(n + 1)]
    values = [mp.re(mp.exp(mp.mpc(-rate, frequency) * t)) for t in nodes]
    return mp.fdot(weights, values) * upper / n / 3


def exact_kepler(x):
    return mp.findroot(lambda E: E - x[1] * mp.sin(E) - x[0], x[0] + x[1])


def exact_bisection(x, tol=1e-6):
    """An affine function of the bracket: the middle of one of 2^n equal parts, found by the root itself."""
    lower, upper, target = x
    halvings = int(mp.ceil(mp.log((upper - lower) / mp.mpf(tol), 2)))
    root = mp.findroot(lambda z: z**3 + z - target, mp.cbrt(target))
    part = int(mp.floor((root - lower) / (upper - lower) * 2**halvings))
    return lower + (upper - lower) * (2 * part + 1) / mp.mpf(2) ** (halvings + 1)


def exact_cubic_root(x):
    return mp.findroot(lambda z: x[0] * z**3 + z - x[1], 1)


def exact_runge_kutta(x, steps=10_000):
    z = -x[0] * mp.mpf(2.0 / steps)
    return (1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24) ** steps * x[1]


def exact_oscillator(x, steps=40):
    stiffness, damping, position, velocity = x
    A = mp.matrix([[0, 1], [-stiffness, -damping]]) * mp.mpf(2.0 / steps)
    step = mp.eye(2) + A + A * A / 2
    y = mp.matrix([position, velocity])
    return list(step**steps * y + step ** (steps // 2 + 1) * y)


def exact_log_determinant(A):
    """The determinant of what is read: the lower triangle."""
    return mp.log(mp.det(mp.matrix([[A[max(i, j)][min(i, j)] for j in range(len(A))] for i in range(len(A))])))


def exact_cholesky(A):
    A = [[A[max(i, j)][min(i, j)] for j in range(len(A))] for i in range(len(A))]
    return mp.cholesky(mp.matrix(A), tol=mp.mpf(10) ** -45).tolist()


def exact_solution(A):
    return list(mp.lu_solve(mp.matrix(A), mp.matrix([i + 1 for i in range(len(A))])))


def exact_determinant(A):
    return mp.det(mp.matrix(A))


def exact_heat(x, steps=20):
    n = len(x) - 1
    step = mp.eye(n)
    for i in range(1, n - 1):
        step[i, i - 1] += x[0]
        step[i, i] -= 2 * x[0]
        step[i, i + 1] += x[0]
    return list(step**steps * mp.matrix(x[1:]))


def exact_random_walk(x, noise=()):
    """The walk as an affine map of its start, its pieces chosen by where it is."""
    slope, shift, turns = mp.mpf(1), mp.mpf(0), 0
    for step in map(float, noise):
        place = slope * x[0] + shift
        if place > x[1]:
            shift -= x[2] * mp.mpf(abs(step))
            turns += 1
        elif place < -x[1] or step > 1.5:
            slope, shift = slope / 2, shift / 2 + x[2] ** 2
            turns += 1
        else:
            shift += mp.sin(x[2]) * mp.mpf(step)
    return slope * x[0] + shift + turns * x[2] / 4


def exact_edit_distance(x, gap=0.4):
    """By memory of a recursion from the end, where the program fills a table from the beginning."""
    first, second, gap = x[: len(x) // 2], x[len(x) // 2 :], mp.mpf(gap)
    known = {}

    def distance(i, j):
        if (i, j) not in known:
            ways = [mp.mpf(0)] if i == j == 0 else []
            if i:
                ways.append(distance(i - 1, j) + gap * first[i - 1] ** 2)
            if j:
                ways.append(distance(i, j - 1) + gap * second[j - 1] ** 2)
            if i and j:
                ways.append(distance(i - 1, j - 1) + (first[i - 1] - second[j - 1]) ** 2)
            known[i, j] = min(ways)
        return known[i, j]

    return distance(len(first), len(second))


def exact_horner(x):
    return mp.fsum(c * x[0] ** (len(x) - 2 - k) for k, c in enumerate(x[1:]))


def exact_fibonacci(x, n=10):
    return (mp.matrix([[0, 1], [x[3], x[2]]]) ** n * mp.matrix(x[:2]))[0]


def exact_fibonacci_table(x, n=10):
    return [exact_fibonacci(x, k) for k in range(n + 1)]


def exact_exponential(A):
    return mp.expm(mp.matrix(A), method="taylor").tolist()
