"""Errors of the API, and the form in which each door reports them."""
