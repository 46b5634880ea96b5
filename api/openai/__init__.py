"""Routes for clients of OpenAI's Images API, with OpenAI's fields, streams and errors.

They create the same jobs as the service's own routes.
"""
