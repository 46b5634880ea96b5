"""The parts that the workers of both GPU stages share: the Celery worker, claims, the recorder of outcomes, start and
drain.
"""
