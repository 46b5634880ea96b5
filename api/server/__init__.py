"""The HTTP server: gunicorn on gevent, with limits on connections, heads and bodies."""
