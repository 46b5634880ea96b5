"""Collects the OpenAPI entries of all routes by Flask endpoint, and the texts of the document's tags.

Each folder of routes has its entries in its own `openapi*.py`. A new route needs a new entry there.
"""

from api.access import openapi as access
from api.activity import openapi as activity
from api.batches import openapi as batches
from api.dead_letters import openapi as dead_letters
from api.files import openapi as files
from api.jobs import openapi as jobs
from api.jobs import openapi_pictures as pictures
from api.openai import openapi as images
from api.operators import openapi as operators
from api.service import openapi as service
from api.studio import openapi as studio
from api.tenants import openapi as tenants
from api.webhooks import openapi as webhooks
from api.webhooks import openapi_log as webhook_log
from api.zai import openapi as zai

OPERATIONS = {
    **jobs.OPERATIONS,
    **activity.OPERATIONS,
    **pictures.OPERATIONS,
    **images.OPERATIONS,
    **files.OPERATIONS,
    **batches.OPERATIONS,
    **webhooks.OPERATIONS,
    **webhook_log.OPERATIONS,
    **dead_letters.OPERATIONS,
    **access.OPERATIONS,
    **tenants.OPERATIONS,
    **operators.OPERATIONS,
    **zai.OPERATIONS,
    **service.OPERATIONS,
    **studio.OPERATIONS,
}

TAGS = {
    "Jobs": "Create, read, follow, cancel and retry jobs. A job is one request for one or more pictures.",
    "Pictures": "Fetch the pictures, previews and token grids of a job.",
    "OpenAI images": "For clients of OpenAI's Images API: the same jobs in OpenAI's format.",
    "Files": "Upload condition images and input files of batches, in OpenAI's format.",
    "Batches": "Render many requests from one file in the background, in OpenAI's format with additions.",
    "Webhooks": "Register webhook endpoints, read signing secrets and keys, and read the log of webhook attempts.",
    "Z.ai": "For clients of Z.ai's image API: the same jobs in Z.ai's format.",
    "Studio": "The page for people, and the session with which it signs in. Programs need neither.",
    "Access": "Manage API keys, the limits of a tenant and how long its data is kept, and read its usage.",
    "Operations": "Health, load, dead letters, pauses, the audit log, and this document.",
}
