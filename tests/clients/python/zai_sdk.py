"""Z.ai's SDKs, zai-sdk and its predecessor zhipuai. They have the same interface."""

import sys
from typing import Any

from steps import KEY, PROMPT, SIZE, URL, check_link, expect, step

if sys.argv[1] == "zhipuai":
    import zhipuai as package
    from zhipuai import ZhipuAI as Client
else:
    import zai as package
    from zai import ZaiClient as Client
client: Any = Client(base_url=f"{URL}/api/paas/v4", api_key=KEY, timeout=60)

with step("generations"):
    made = client.images.generations(model="glm-image", prompt=PROMPT, size=SIZE, quality="standard")
    check_link(made.data[0].url)
with step("generations, with user_id and request_id"):
    made = client.images.generations(
        model="glm-image", prompt=PROMPT, size=SIZE, user_id="user-1234", request_id="request-1"
    )
    check_link(made.data[0].url)
if hasattr(client.images, "async_generations"):
    with step("async_generations"):
        task = client.images.async_generations(model="glm-image", prompt=PROMPT, size=SIZE)
        for _ in range(300):
            found = client.images.retrieve_images_result(task.id)
            if found.task_status != "PROCESSING":
                break
        check_link(found.image_result[0].url)
with step("error"):
    try:
        client.images.generations(model="glm-image", prompt=PROMPT, size="7x7")
    except package.core.APIStatusError as error:
        expect("size" in str(error), f"the message is {error}")
    else:
        raise ValueError("a size of 7x7 was accepted")
