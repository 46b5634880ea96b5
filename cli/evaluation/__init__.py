"""How well pictures spell what their prompts quote: `gridpress eval`."""
