"""From what a person writes to what a run is: groups composed, nodes checked, sweeps spelt out."""
