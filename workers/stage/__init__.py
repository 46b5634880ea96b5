"""What both GPU stages share at their edges: the Celery worker, the recorder of outcomes, start and drain."""
