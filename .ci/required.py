"""Shows an environment the packages that an installed mapga requires, extras left out, and no others.

``required.py ENVIRONMENT``: they are links to those of the environment that runs this, so that nothing is downloaded; a
package that is needed and not required is not there, as after ``pip install`` into an empty environment.
"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement


def required(of: Distribution) -> dict[str, Distribution]:
    """Every distribution that one requires, and those that these require, by name."""
    found: dict[str, Distribution] = {}
    asked = [(of, frozenset[str]())]
    while asked:
        one, extras = asked.pop()
        for line in one.requires or ():
            wanted = Requirement(line)
            if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in (extras or {""})):
                continue
            needed = distribution(wanted.name)
            if wanted.name not in found or wanted.extras:
                found[wanted.name] = needed
                asked.append((needed, frozenset(wanted.extras)))
    return found


def main(environment: Path) -> None:
    (site,) = environment.glob("lib/python*/site-packages")
    (mapga,) = distributions(name="mapga", path=[str(site)])
    for one in required(mapga).values():
        tops = {file.parts[0] for file in one.files or () if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(one.locate_file(top))).resolve())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
