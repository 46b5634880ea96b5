"""Receives and reads request bodies: limits, forms, multipart parts, JSON documents."""
