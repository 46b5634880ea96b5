"""The AR stage: turns prompts into token grids. It never imports diffusers."""
