"""The HTTP server of the API: gunicorn with gevent workers, a metrics page, and a thread pool for DNS look-ups."""
