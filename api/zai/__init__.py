"""Routes for clients of Z.ai's image API, with Z.ai's fields, states and errors.

They create the same jobs as the service's own routes.
"""
