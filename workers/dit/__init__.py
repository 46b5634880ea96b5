"""DiT stage: token grids become pixels. Never the AR model."""
