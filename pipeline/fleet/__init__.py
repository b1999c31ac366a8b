"""A fleet: many cameras over many workers, on Ray, with one address for those who listen; see docs/fleet.md."""
