"""The DiT stage: turns token grids into pictures. It never imports the AR model."""
