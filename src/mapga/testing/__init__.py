"""What the suite takes for granted of a component, as checks for tests of one's own: one call each.

    from mapga.testing import solvers

    def test_ddnm():
        solvers.batch_independence(DDNM(Karras(5)))

``operators``, ``solvers``, ``priors``, ``datasets`` and ``metrics`` hold them. Each takes a component as it is, raises
``CheckFailedError`` (an AssertionError) that says what is wrong in one line, and returns nothing. ``checks`` of each
lists those that apply to a component; ``mapga check`` runs them. Besides, for closed forms: small exact priors
(``exact``), known noise (``noise``), matrices of linear maps (``algebra``).
"""

from mapga.testing.failure import CheckFailedError

__all__ = ["CheckFailedError"]
