"""Works on batches: looks at their lines, makes jobs of them a few at a time, stores what came of them. No torch."""
