"""Settings from `GRIDPRESS_*` variables and secret files, and what is wrong with them."""
