"""The studio: a page to make, find and follow pictures, and the session with which it signs in."""
