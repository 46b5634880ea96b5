"""All entries, by the name of their view. A blueprint's are in one file; a new route is a new entry there."""

from api.batches import openapi as batches
from api.dead_letters import openapi as dead_letters
from api.files import openapi as files
from api.jobs import openapi as jobs
from api.jobs import openapi_pictures as pictures
from api.openai import openapi as images
from api.service import openapi as service
from api.webhooks import openapi as webhooks
from api.webhooks import openapi_log as webhook_log
from api.zai import openapi as zai

OPERATIONS = {
    **jobs.OPERATIONS,
    **pictures.OPERATIONS,
    **images.OPERATIONS,
    **files.OPERATIONS,
    **batches.OPERATIONS,
    **webhooks.OPERATIONS,
    **webhook_log.OPERATIONS,
    **dead_letters.OPERATIONS,
    **zai.OPERATIONS,
    **service.OPERATIONS,
}

TAGS = {
    "Jobs": "Requests for pictures: made, read, followed, cancelled, tried again.",
    "Pictures": "What a job made: pictures, previews, token grids.",
    "OpenAI images": "For clients of OpenAI's Images API: the same jobs in its words.",
    "Files": "Pictures to start from, and lines of batches, in OpenAI's shape.",
    "Batches": "Files of many requests, rendered when there is room, in OpenAI's shape and beyond it.",
    "Webhooks": "Who is told what happens, with what it is signed, and what was sent.",
    "Z.ai": "For clients of Z.ai's image API: the same jobs in its words.",
    "Operations": "Health, load, dead letters, and this description.",
}
