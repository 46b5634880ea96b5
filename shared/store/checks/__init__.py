"""Leases content checks, of prompts and of pictures, to the workers that ask the operator's hooks."""
