"""What a set of restored images is compared with: features, or only their mean and covariance."""

from __future__ import annotations

__all__ = ["Reference"]


class Reference:
    """A reference set."""
