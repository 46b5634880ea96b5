"""AR stage: prompts become token grids. Never diffusers."""
