"""The enhancement worker: lets a language model rewrite prompts before the AR stage. Uses no torch."""
